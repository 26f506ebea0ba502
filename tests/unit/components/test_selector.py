"""Which variant is pushed, and that ties have one answer."""

import pytest

from components.gate import Check, GateResult
from components.outcomes import Outcome
from components.selector import choose


def outcome(name, size, gzip=0, validation=0.9, blessed=True):
    report = {"audit": {"size_bytes": size, "gzip_bytes": gzip}, "validation": validation}
    check = Check("max_drop", 0.0, 0.0, True, "")
    return Outcome(name, object(), [report], GateResult(0.9, 0.9, 10, 10, blessed), [check], blessed)


def test_nothing_passed():
    assert choose([], "smallest", "accuracy") == (None, "no variant passed the gate")


@pytest.mark.parametrize(
    ("select", "metric", "expected"),
    [("smallest", "accuracy", "b"), ("most_accurate", "accuracy", "a"), ("most_accurate", "rmse", "c")],
)
def test_choice(select, metric, expected):
    passed = [outcome("a", 30, 300, 0.95), outcome("b", 30, 100), outcome("c", 20, 200, 0.8)]
    assert choose(passed, select, metric)[0] == expected


def test_ties_fall_to_the_file_then_to_the_name_in_any_order():
    passed = [outcome("z", 50, 100), outcome("b", 40, 100), outcome("a", 40, 100)]
    assert choose(passed, "smallest", "accuracy")[0] == choose(passed[::-1], "smallest", "accuracy")[0] == "a"
    assert choose(passed, "most_accurate", "accuracy")[0] == "a"


def test_a_variant_needs_blessing_and_checks():
    assert outcome("a", 1).status == "passed"
    assert outcome("a", 1, blessed=False).status == "blocked"
    assert Outcome("a", None).status == "failed"
    assert Outcome("a", object(), [], GateResult(1, 1, 1, 1, True), [], True).status == "blocked"

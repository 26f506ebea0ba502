"""Which variant is pushed, that ties have one answer, and which variants are on the front."""

from types import SimpleNamespace

import pytest

from components.evaluate.verdict import Check, SliceResult, Verdict
from components.outcomes import Outcome
from components.pareto import front
from components.selector import choose


def outcome(
    name, gzip, size=0, validation=0.9, ms=1.0, drop=0.0, state="passed", blessed=True, edge_passed=True, **said
):
    audit = {"size_bytes": size, "gzip_bytes": gzip}
    report = {"step": "quantize", "audit": audit, "validation": validation, **said}
    metrics = {"accuracy": {"candidate": 0.9, "baseline": 0.9 + drop, "drop": drop, "drop_ci": [0.0, 0.1]}}
    check = Check("", "accuracy", "max_drop", state, 0.1, drop, 0.0, 0.1, None, "accuracy drops")
    verdict = Verdict(state, 0.95, (SliceResult("", {}, 100, state, metrics),), (check,), {})
    edge = SimpleNamespace(
        passed=edge_passed, reasons=() if edge_passed else ("too large",), latency=SimpleNamespace(p50_ms=ms)
    )
    return Outcome(name, object(), [report], verdict, blessed, edge, object())


def test_nothing_passed():
    assert choose([], "smallest", "accuracy") == (None, "no variant passed the gate")


@pytest.mark.parametrize(
    ("select", "metric", "expected"),
    [
        ("smallest", "accuracy", "b"),
        ("fastest", "accuracy", "c"),
        ("most_accurate", "accuracy", "a"),
        ("most_accurate", "rmse", "c"),
    ],
)
def test_choice(select, metric, expected):
    passed = [outcome("a", 30, 300, 0.95, 3.0), outcome("b", 20, 100, 0.9, 2.0), outcome("c", 30, 200, 0.8, 1.0)]
    assert choose(passed, select, metric)[0] == expected


def test_ties_fall_to_the_file_then_to_the_name_in_any_order():
    passed = [outcome("z", 50, 100), outcome("b", 40, 100), outcome("a", 40, 100)]
    for select in ("smallest", "fastest", "most_accurate"):
        assert choose(passed, select, "accuracy")[0] == choose(passed[::-1], select, "accuracy")[0] == "a"


@pytest.mark.parametrize(
    ("changes", "status", "stage", "reasons"),
    [
        ({}, "passed", None, []),
        ({"state": "blocked"}, "blocked", "gate", ["accuracy drops"]),
        ({"state": "not_enough_data"}, "not_enough_data", "gate", ["accuracy drops"]),
        ({"edge_passed": False}, "blocked", "edge", ["too large"]),
        ({"state": "not_enough_data", "edge_passed": False}, "blocked", "gate", ["accuracy drops", "too large"]),
        ({"mismatch": "it differs"}, "blocked", "quantize", ["it differs"]),
        (
            {"promises": {"made": [], "broken": ["layer a: 1", "layer b: 2"]}},
            "blocked",
            "quantize",
            ["layer a: 1", "layer b: 2"],
        ),
        ({"mismatch": "it differs", "edge_passed": False}, "blocked", "quantize", ["it differs", "too large"]),
    ],
)
def test_a_variant_needs_a_true_file_gate_and_edge_check(changes, status, stage, reasons):
    made = outcome("a", 1, **changes)
    assert (made.status, made.stage, made.passed) == (status, stage, status == "passed")
    assert made.reasons == reasons


def test_a_bad_file_is_blocked_whatever_failed_after_it():
    made = Outcome("a", object(), [{"step": "quantize", "mismatch": "it differs"}])
    assert (made.status, made.stage) == ("blocked", "quantize")
    assert made.reasons[0] == "it differs"


def test_without_blessing_nothing_passes():
    made = outcome("a", 1, blessed=False)
    assert made.status == "blocked"
    assert "TFMA's validation does not agree" in made.reasons[0]


def test_missing_parts_are_failures():
    assert Outcome("a", None).reasons == ["a step of this variant failed"]
    assert Outcome("a", object()).reasons == [
        "the gate of this variant failed",
        "the edge check of this variant failed",
    ]
    assert Outcome("a", object()).status == "failed"


def test_front_keeps_what_nothing_beats():
    best = outcome("best", 10, drop=0.01, ms=1.0)
    worse = outcome("worse", 11, drop=0.01, ms=1.0)
    faster = outcome("faster", 20, drop=0.02, ms=0.5)
    same = outcome("same", 10, drop=0.01, ms=1.0)
    assert front([best, worse, faster, same, Outcome("failed", None)]) == {"best", "faster", "same"}

"""The check of whole files: good, wrong, crashing, hanging; budgets just met and just missed."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from compression.edge import runner
from compression.edge.check import check
from compression.edge.report import EdgeReport
from compression.errors import CompressionError
from compression.settings.edge import EdgeSettings
from compression.settings.profile import Profile

QUICK = 0.05


def run(path, samples, profile, settings=None, **limits):
    return check(path, samples, settings or EdgeSettings(), profile, latency_seconds=QUICK, **limits)


def assert_complete(report):
    """Nothing is `None` without a reason, and the report survives JSON."""
    for name, value in report.to_dict().items():
        assert (value is None) == (name in report.not_measured), name
    assert EdgeReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report


@pytest.fixture(scope="module")
def good(tools, samples, profiles, tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "model.tflite"
    path.write_bytes(tools.dense_int8())
    return path, run(path, samples, profiles["cpu"])


def test_a_good_model(good):
    path, report = good
    assert report.passed
    assert report.reasons == ()
    assert (report.size_bytes, report.macs, report.tensor_bytes) == (path.stat().st_size, 12, 7)
    # int8 input 4 B, output 3 B behind it on the next boundary of 64 B.
    assert report.arena_bytes == 67
    assert (report.input_dtypes, report.output_dtypes) == (("int8",), ("int8",))
    assert (report.examples, report.finite, report.deterministic) == (12, True, True)
    assert 0 < report.latency.p50_ms <= report.latency.p90_ms <= report.latency.p99_ms
    assert report.budget_latency_ms == report.latency.p90_ms
    assert len(report.latency.rounds_p50_ms) == 3
    assert {"cpu", "litert", "threads", "kernels", "load_average_before", "load_average_after"} <= report.host.keys()
    assert_complete(report)


def test_budgets_just_met_and_just_missed(good, samples, profiles):
    path, report = good
    exact = {
        "max_size_bytes": report.size_bytes,
        "max_gzip_bytes": report.gzip_bytes,
        "max_arena_bytes": report.arena_bytes,
        "max_macs": report.macs,
    }
    met = run(path, samples, profiles["cpu"], EdgeSettings(**exact, max_latency_ms=1000.0))
    assert met.passed
    assert [budget.met for budget in met.budgets] == [True] * 5
    missed = run(path, samples, profiles["cpu"], EdgeSettings(**{name: value - 1 for name, value in exact.items()}))
    assert not missed.passed
    assert [budget.name for budget in missed.budgets if not budget.met] == list(exact)
    assert len(missed.reasons) == 4
    for reason, value in zip(missed.reasons, exact.values(), strict=True):
        assert f"{value - 1:,}" in reason
        assert f"{value:,}" in reason


def test_a_latency_budget_that_nothing_keeps(good, samples, profiles):
    path, _ = good
    missed = run(path, samples, profiles["cpu"], EdgeSettings(max_latency_ms=1e-9))
    assert "at most 1e-09 ms" in missed.reasons[0]


def test_a_model_that_hangs_is_blocked_and_its_process_is_gone(write, tools, samples, profiles):
    report = run(write(tools.endless()), samples, profiles["cpu"], time_limit_s=3.0)
    assert not report.passed
    assert "not done after 3 s" in report.reasons[0]
    # What was measured before stays.
    assert report.operators == {"ABS": 1, "WHILE": 1}
    assert "run time" in report.not_measured["macs"]
    assert_complete(report)
    children = subprocess.run(["ps", "-o", "args=", "--ppid", str(os.getpid())], capture_output=True, text=True)
    assert "compression.edge.child" not in children.stdout


def test_a_model_that_crashes_the_interpreter_is_blocked(write, tools, samples, profiles):
    report = run(write(tools.bottomless()), samples, profiles["cpu"], EdgeSettings(max_macs=5, max_latency_ms=5.0))
    assert "must load in LiteRT" in report.reasons[0]
    assert "died of SIGSEGV" in report.reasons[0]
    assert [budget.met for budget in report.budgets] == [False, False]
    assert "must be measured, but was not measured" in report.reasons[1]
    assert_complete(report)


def test_a_model_that_wants_all_memory_is_blocked(write, tools, samples, profiles):
    report = run(write(tools.greedy()), samples, profiles["cpu"])
    assert not report.passed
    assert "must load in LiteRT and allocate its tensors" in report.reasons[0]
    assert_complete(report)


def test_the_child_ends_by_itself_when_its_parent_is_killed(tmp_path, tools, samples):
    request = {"kernels": "xnnpack", "threads": 1, "raw": False, "time_limit_s": 0.2, "latency_seconds": 1}
    runner.write_request(tmp_path, tools.endless(), samples, request)
    command = [sys.executable, "-m", "compression.edge.child", str(tmp_path), "check"]
    environment = {**os.environ, "PYTHONPATH": str(runner._ROOT)}
    ended = subprocess.run(command, env=environment, timeout=20, check=False)
    assert ended.returncode == -signal.SIGALRM


@pytest.mark.parametrize("content", [b"", b"\x1c\0\0\0TFL3" + b"\xff" * 200], ids=["empty", "marked"])
def test_a_file_that_is_no_model_is_blocked(write, samples, profiles, content):
    report = run(write(content), samples, profiles["cpu"])
    assert "must be a TFLite model" in report.reasons[0]
    assert_complete(report)


def test_a_truncated_model_is_blocked(write, tools, samples, profiles):
    assert not run(write(tools.dense()[:-100]), samples, profiles["cpu"]).passed


def test_answers_that_are_not_finite(write, tools, samples, profiles):
    report = run(write(tools.dense(np.nan)), samples, profiles["cpu"])
    assert report.finite is False
    assert "finite numbers" in report.reasons[0]


def test_a_model_that_remembers_is_asked_with_its_state_reset(write, tools, samples, profiles):
    options = tools.options("SequenceRNNOptions", timeMajor=False)
    state = tools.T([1, 3], variable=True)
    tensors = [tools.T([1, 1, 4]), tools.T([3, 4], values=0.5), tools.T([3, 3], values=0.5), tools.T([3], values=0.1)]
    op = tools.Op("UNIDIRECTIONAL_SEQUENCE_RNN", [0, 1, 2, 3, 4], [5], options)
    path = write(tools.build(tools.G([*tensors, state, tools.T([1, 1, 3])], [op])))
    assert run(path, {"t0": samples["t0"].reshape(12, 1, 4)}, profiles["cpu"]).deterministic is True


def test_a_model_that_throws_dice_is_not_deterministic(write, tools, samples, profiles):
    dice = tools.Op("RANDOM_UNIFORM", [1], [2], tools.options("RandomOptions", seed=0, seed2=0))
    add = tools.Op("ADD", [0, 2], [3], tools.options("AddOptions"))
    tensors = [tools.T([1, 4]), tools.T([2], "int32", values=[1, 4]), tools.T([1, 4]), tools.T([1, 4])]
    report = run(write(tools.build(tools.G(tensors, [dice, add]))), samples, profiles["cpu"])
    assert report.deterministic is False
    assert any("same example" in reason for reason in report.reasons)


def test_operators_and_types_of_the_profile(write, tools, samples):
    profile = Profile(
        name="tiny",
        description="adds only",
        device="litert",
        kernels="reference",
        operators=("ADD",),
        input_dtypes=("int8",),
        output_dtypes=("int8",),
    )
    report = run(write(tools.dense()), samples, profile)
    assert report.unsupported_operators == ("FULLY_CONNECTED",)
    assert "got FULLY_CONNECTED" in report.reasons[0]
    assert [reason.split(" must")[0] for reason in report.reasons[1:]] == ["every input", "every output"]
    assert "int8_io" in report.reasons[1]


def test_custom_operators_must_be_named_by_the_profile(write, tools, samples, profiles):
    op = tools.Op("CUSTOM", [0], [1], custom="FlexThing")
    report = run(write(tools.build(tools.G([tools.T([1, 4]), tools.T([1, 4])], [op]))), samples, profiles["cpu"])
    assert report.unsupported_operators == ("FlexThing",)
    assert "FlexThing" in " ".join(report.reasons)
    assert not report.passed


@pytest.mark.parametrize(
    ("features", "words"),
    [({"other": np.zeros((3, 4))}, "needs feature 't0'"), ({"t0": np.zeros((3, 5))}, "must have shape (1, 4)")],
)
def test_a_model_that_reads_something_else(write, tools, profiles, features, words):
    assert words in run(write(tools.dense()), features, profiles["cpu"]).reasons[0]


def test_our_own_faults_are_raised(tmp_path, write, tools, samples, profiles, monkeypatch):
    with pytest.raises(CompressionError, match="at least one real example"):
        run(write(tools.dense()), {"t0": np.zeros((0, 4))}, profiles["cpu"])
    with pytest.raises(CompressionError, match="check the path"):
        run(tmp_path / "absent.tflite", samples, profiles["cpu"])
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="must be able to start"):
        run(write(tools.dense()), samples, profiles["cpu"])


def test_the_child_needs_no_tensorflow():
    code = "import sys, compression.edge.child; print([m for m in ('tensorflow', 'pydantic') if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(runner._ROOT)}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"

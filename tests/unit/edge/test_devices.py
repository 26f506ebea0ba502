"""The tools of the profiles: absent ones never pass in silence, real ones are run where they are installed."""

import re

import pytest

from compression.edge import devices, tflite_micro, vela
from compression.edge.check import check
from compression.edge.runner import Ended
from compression.settings.edge import EdgeSettings

SETTINGS = EdgeSettings(max_arena_bytes=100_000)

needs_tflite_micro = pytest.mark.skipif(
    not tflite_micro.installed(), reason="tflite-micro is absent; make setup EXTRAS=devices installs it"
)
needs_vela = pytest.mark.skipif(
    vela.command() is None, reason="vela is absent; make setup EXTRAS=devices installs ethos-u-vela"
)


def run(path, samples, profile, settings=SETTINGS):
    return check(path, samples, settings, profile, latency_seconds=0.05)


@pytest.fixture
def absent(monkeypatch):
    monkeypatch.setattr(tflite_micro, "installed", lambda: False)
    monkeypatch.setattr(vela, "command", lambda: None)


@pytest.mark.parametrize(("name", "package"), [("mcu", "tflite-micro"), ("ethos-u", "ethos-u-vela")])
def test_an_absent_tool_is_not_measured_and_blocks_only_the_budget_that_needs_it(
    write, tools, samples, profiles, absent, name, package
):
    # The budget of multiply-accumulates needs no tool and is just met.
    budgets = EdgeSettings(max_macs=12, max_arena_bytes=100_000)
    report = run(write(tools.dense_int8()), samples, profiles[name], budgets)
    assert report.arena_bytes is report.device is None
    for field in ("arena_bytes", "arena_source", "device"):
        assert package in report.not_measured[field]
    assert not report.passed
    assert [reason.split(", but")[0] for reason in report.reasons] == [
        "max_arena_bytes is 100,000 and must be measured"
    ]
    assert "make setup EXTRAS=devices" in report.reasons[0]
    assert {budget.name: budget.met for budget in report.budgets} == {"max_arena_bytes": False, "max_macs": True}


def test_a_microcontroller_cannot_be_timed_here(write, tools, samples, profiles, absent):
    report = run(write(tools.dense_int8()), samples, profiles["mcu"], EdgeSettings(max_latency_ms=10_000.0))
    assert report.latency is not None
    assert report.budget_latency_ms is None
    assert "measure on the board" in report.reasons[0]


@needs_tflite_micro
def test_the_true_arena_of_tflite_micro(write, tools, samples, profiles):
    path = write(tools.dense_int8())
    report = run(path, samples, profiles["mcu"])
    assert report.passed
    assert report.device["max_difference"] == 0.0
    # More than the activations alone: tables of tensors and nodes are in it.
    assert 7 < report.arena_bytes < 10_000
    assert "tflite-micro" in report.arena_source
    exact = run(path, samples, profiles["mcu"], EdgeSettings(max_arena_bytes=report.arena_bytes))
    missed = run(path, samples, profiles["mcu"], EdgeSettings(max_arena_bytes=report.arena_bytes - 1))
    assert (exact.passed, missed.passed) == (True, False)


@needs_tflite_micro
def test_tflite_micro_refuses_in_its_own_words(write, tools, samples, profiles):
    # LiteRT has this operator, TensorFlow Lite Micro has not: the list of the profile says so without the tool.
    path = write(tools.build(tools.G([tools.T([1, 4]), tools.T([1, 4])], [tools.Op("RELU_N1_TO_1", [0], [1])])))
    report = run(path, samples, profiles["mcu"])
    assert report.unsupported_operators == ("RELU_N1_TO_1",)
    assert "Didn't find op for builtin opcode 'RELU_N1_TO_1'" in report.reasons[0]


@needs_vela
def test_vela_compiles(write, tools, samples, profiles):
    report = run(write(tools.dense_int8()), samples, profiles["ethos-u"], EdgeSettings(max_latency_ms=1.0))
    assert report.passed
    assert report.device["cpu_operators"] == {}
    assert report.device["npu_operators"] == 1
    assert report.device["cycles"] > 0
    assert report.arena_bytes == report.device["sram_bytes"] > 0
    assert report.budget_latency_ms == report.device["inference_ms"] > 0


@needs_vela
def test_what_falls_back_to_the_cpu_is_named_and_its_time_is_not_taken_for_zero(write, tools, samples, profiles):
    every = profiles["ethos-u"].model_copy(update={"input_dtypes": None, "output_dtypes": None})
    report = run(write(tools.dense()), samples, every, EdgeSettings(max_latency_ms=1.0, max_arena_bytes=1000))
    assert report.device["cpu_operators"] == {"FULLY_CONNECTED": 1}
    assert [budget.met for budget in report.budgets] == [False, False]
    assert "FULLY_CONNECTED fall back to the CPU" in report.reasons[0]


@needs_vela
def test_vela_refuses_in_its_own_words(tmp_path, profiles):
    with pytest.raises(vela.VelaFailed, match="must compile the model"):
        vela.compile_model(b"junk", profiles["ethos-u"].vela, tmp_path, 60.0)


def test_velas_report_is_read(tmp_path, tools, profiles, monkeypatch):
    """With Vela's own columns, as 5.2.0 writes them, so that reading is tested without Vela too."""
    columns = {
        "accelerator_configuration": "Ethos_U55_128",
        "system_config": "S",
        "memory_mode": "M",
        "core_clock": "500000000.0",
        "inference_time": "9.154e-06",
        "sram_memory_used": "2.203125",
        "dram_memory_used": "0.0",
        "on_chip_flash_memory_used": "0.0",
        "off_chip_flash_memory_used": "3.1875",
        "cycles_total": "4577",
    }

    def compiled(command, limit, environment, folder):
        (folder / "model_summary_S.csv").write_text(",".join(columns) + "\n" + ",".join(columns.values()) + "\n")
        (folder / "model_vela.tflite").write_bytes(tools.dense())
        return Ended(0, "", False)

    monkeypatch.setattr(vela, "command", lambda: ["vela"])
    monkeypatch.setattr(vela.runner, "run_limited", compiled)
    facts = vela.compile_model(tools.dense(), profiles["ethos-u"].vela, tmp_path, 1.0)
    assert (facts["sram_bytes"], facts["flash_bytes"], facts["cycles"]) == (2256, 3264, 4577)
    assert facts["inference_ms"] == pytest.approx(0.009154)
    assert (facts["npu_operators"], facts["cpu_operators"]) == (0, {"FULLY_CONNECTED": 1})


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        # Vela's status is 0 although it could not load the model.
        (Ended(0, "Warning: x\nFailed to load TfLite model.\n", False), "Failed to load TfLite model"),
        (Ended(-9, "", True), "not done after 1 s"),
    ],
)
def test_vela_without_a_summary_has_failed(tmp_path, profiles, monkeypatch, ended, words):
    monkeypatch.setattr(vela, "command", lambda: ["vela"])
    monkeypatch.setattr(vela.runner, "run_limited", lambda *_: ended)
    with pytest.raises(vela.VelaFailed, match=re.escape(words)):
        vela.compile_model(b"", profiles["ethos-u"].vela, tmp_path, 1.0)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"finite": False, "max_difference": 0.0}, "finite"),
        ({"finite": True, "max_difference": 0.5}, "got a difference of 50%"),
    ],
)
def test_a_device_that_computes_something_else_blocks(tmp_path, profiles, monkeypatch, facts, words):
    found = {"tflite_micro": {"arena_bytes": 1, "version": "1", **facts}}
    monkeypatch.setattr(tflite_micro, "installed", lambda: True)
    monkeypatch.setattr(devices.runner, "run_child", lambda *_: devices.runner.Outcome(found, None))
    measured = devices.DEVICES["tflite_micro"](devices.Job(b"", tmp_path, profiles["mcu"], {}, 1.0))
    assert words in measured.faults[0]

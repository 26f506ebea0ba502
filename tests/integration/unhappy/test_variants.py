"""Variants that are blocked or fail, a registry that is damaged, and nodes chosen by hand."""

import pytest

pytestmark = pytest.mark.integration

INT8 = [{"quantize": {"mode": "int8"}}]
# With these settings the weights grow beyond anything that LiteRT can compute with.
WILD = {"learning_rate": 10.0, "learning_rate_schedule": "constant", "batch_norm": "freeze"}
VOLUME = """\
from tensorflow import keras
from models.digits import preprocessing_fn

def build_model(hparams):
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Reshape((8, 8, 1, 1), name="reshape")(image)
    # TFLite has no integer CONV_3D: the converter leaves it in float and says nothing.
    x = keras.layers.Conv3D(4, (3, 3, 1), activation="relu", name="volume")(x)
    return keras.Model(image, keras.layers.Dense(10, activation="softmax", name="digit")(keras.layers.Flatten()(x)))
"""
DIVERGING = [{"prune": {"sparsity": 0.5, "epochs": 2, "batch_size": 16, **WILD}}, *INT8]


@pytest.fixture
def config_in(trained, tmp_path, make_config):
    """`config_in(**changes)`: a configuration whose workspace holds trained nodes."""
    return lambda **changes: make_config(tmp_path, runtime={"workspace": str(trained)}, **changes)


def test_every_variant_blocked_is_no_failure(trained, config_in, call, pushed):
    before = pushed(trained)
    config = config_in(gate={"min_value": 1.0})
    ended = call("run", config)
    assert ended.code == 0
    assert ended.err == ""
    assert "nothing pushed" in ended.out
    assert "accuracy must be at least 1; it is" in ended.out
    ended = call("run", config, "--fail-on-blocked", "--json")
    assert ended.code == 4
    assert ended.err.startswith("nothing was pushed: ")
    assert ended.err.count("\n") == 1
    result = ended.result
    assert (result["status"], result["exit_code"], result["pushed"]) == ("blocked", 0, None)
    variant = ended.variant("int8")
    assert (variant["status"], variant["stage"]) == ("blocked", "gate-int8")
    assert variant["value"] < 1
    assert "accuracy must be at least 1; it is" in variant["reasons"][0]
    assert ended.nodes["trainer"] == "cached"
    assert pushed(trained) == before


def test_one_variant_that_fails_leaves_the_others(trained, config_in, call, pushed):
    ended = call("run", config_in(variants={"diverging": DIVERGING, "int8": INT8}), "--json")
    assert ended.code == 0
    assert ended.err == ""
    failed, passed = ended.variant("diverging"), ended.variant("int8")
    assert failed["status"] == "failed"
    assert failed["stage"] == "quantize-diverging"
    assert failed["reasons"][0].startswith("quantize-diverging failed: ")
    assert ended.nodes["quantize-diverging"] == "failed"
    assert ended.nodes["gate-diverging"] == "not_run"
    assert passed["status"] == "passed"
    assert ended.result["selected"] == "int8"
    assert ended.result["pushed"]["version"] in pushed(trained)


def test_every_variant_failing_is_a_failure(trained, config_in, call, pushed, last_details):
    before = pushed(trained)
    ended = call("run", config_in(variants={"diverging": DIVERGING}))
    assert ended.code == 1
    first, *rest = ended.err.splitlines()
    assert first.startswith("quantize-diverging failed: ")
    assert [line.split()[0] for line in rest] == ["log", "resume"]
    assert "nothing pushed" in ended.out
    assert pushed(trained) == before
    details = last_details(trained)
    assert [curve["title"] for curve in details["curves"]] == ["training", "prune 50%"]
    assert details["not_measured"]["layers.diverging"] == "there is no file"
    assert (details["layers"].keys(), details["confusion"]) == ({"baseline"}, None)


def test_a_conversion_that_takes_too_long_fails_alone(trained, config_in, call):
    slow = [{"quantize": {"mode": "int8", "calibration_examples": 400, "time_limit_s": 0.05}}]
    ended = call("run", config_in(variants={"slow": slow, "int8": INT8}), "--json")
    assert ended.code == 0
    failed = ended.variant("slow")
    assert (failed["status"], failed["stage"]) == ("failed", "quantize-slow")
    said = "quantize-slow failed: a conversion must be done in 0.05 s, but was not and was ended"
    assert failed["reasons"][0].startswith(said)
    assert ended.variant("int8")["status"] == "passed"
    assert ended.result["selected"] == "int8"


def test_a_broken_promise_blocks_its_variant_and_names_the_layer(tmp_path, monkeypatch, make_config, call):
    (tmp_path / "module_volume.py").write_text(VOLUME)
    monkeypatch.syspath_prepend(str(tmp_path))
    variants = {"int8": INT8, "float16": [{"quantize": {"mode": "float16"}}]}
    model = {"module": "module_volume", "hparams": None}
    ended = call("run", make_config(tmp_path, model=model, variants=variants, train={"epochs": 2}), "--json")
    assert ended.code == 0
    blocked = ended.variant("int8")
    assert (blocked["status"], blocked["stage"]) == ("blocked", "quantize-int8")
    assert blocked["reasons"] == ["layer volume: promised weights in int8, the file holds float32"]
    assert blocked["audit"]["promises"]["broken"] == blocked["reasons"]
    assert {row["kernels"][0][0]: row["dtype"] for row in blocked["audit"]["weights"]} == {
        "volume": "float32",
        "digit": "int8",
    }
    # All of its nodes came to their end, and the numbers are there.
    assert ended.nodes["gate-int8"] == ended.nodes["edge-int8"] == "complete"
    assert blocked["value"] is not None
    assert ended.variant("float16")["status"] == "passed"
    assert ended.result["selected"] == "float16"


def test_damaged_registry_is_told_and_kept(trained, config_in, call, pushed, last_summary):
    before = pushed(trained)
    pointer = trained / "registry/current.json"
    sound = pointer.read_bytes()
    damaged = sound[: len(sound) // 2]
    pointer.write_bytes(damaged)
    try:
        ended = call("run", config_in())
        assert ended.code == 1
        assert ended.err.startswith(f"edge-pusher failed: {pointer} must hold one JSON object; ")
        assert "Traceback" not in ended.out
        assert pointer.read_bytes() == damaged
        summary = last_summary(trained)
        assert (summary["status"], summary["exit_code"]) == ("failed", 1)
        assert summary["variants"][0]["status"] == "passed"
    finally:
        pointer.write_bytes(sound)
    assert pushed(trained) == before
    ended = call("run", config_in(), "--json")
    assert ended.result["status"] == "pushed"
    assert ended.nodes["gate-int8"] == "cached"
    assert pushed(trained) == before


def test_nodes_chosen_by_hand(trained, config_in, call):
    ended = call("run", config_in(), "--to", "trainer", "--no-cache", "validator", "--json")
    assert ended.code == 0
    assert list(ended.nodes) == ["ingest", "statistics", "schema", "validator", "data-guard", "transform", "trainer"]
    assert {node for node, status in ended.nodes.items() if status == "complete"} == {"validator", "data-guard"}
    assert ended.result["pushed"] is None
    ended = call("run", config_in(), "--from", "selector", "--json")
    assert {node for node, status in ended.nodes.items() if status == "complete"} == {
        "selector",
        "edge-pusher",
        "summary",
    }
    assert ended.result["status"] == "pushed"

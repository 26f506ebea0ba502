"""With `export: {inputs: raw}` the pushed model answers the records' own pixels as the pipeline answers images."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from compression.edge.golden import Golden, verify_golden
from compression.predict import TFLitePredictor
from registry import Registry

pytestmark = pytest.mark.integration

VARIANTS = {"int8": [{"quantize": {"mode": "int8"}}], "int8_io": [{"quantize": {"mode": "int8_io"}}]}

BUCKETS = """
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow import keras


def preprocessing_fn(inputs):
    ink = tf.reduce_sum(tf.cast(inputs["image"], tf.float32), axis=1, keepdims=True)
    return {"ink": tf.cast(tft.bucketize(ink, 4), tf.float32), "label": inputs["label"]}


def build_model(hparams):
    ink = keras.Input((1,), name="ink")
    return keras.Model(ink, keras.layers.Dense(10, activation="softmax", name="digit")(ink))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("raw")


@pytest.fixture(scope="module")
def finished(folder, make_config, run_here):
    return run_here(make_config(folder, variants=VARIANTS, export={"inputs": "raw"}))


def eval_records(workspace):
    (path,) = (workspace / "artifacts" / "ingest").glob("examples/*/Split-eval/*")
    for record in tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        yield feature["image"].int64_list.value, feature["label"].int64_list.value[0]


def test_the_pushed_model_answers_raw_records_as_the_gate_saw_it(finished, folder):
    assert (finished.summary["status"], finished.failures) == ("pushed", [])
    version = Registry(folder / "workspace" / "registry").current()
    assert [(i["name"], i["shape"], i["dtype"]) for i in version.manifest["inputs"]] == [("image", [-1, 64], "int64")]
    assert version.manifest["export"] == {"inputs": "raw"}
    pixels, labels = (np.array(column) for column in zip(*eval_records(folder / "workspace"), strict=True))
    answers = TFLitePredictor(version.model_file).predict({"image": pixels})
    (chosen,) = [v for v in finished.summary["variants"] if v["name"] == finished.summary["selected"]]
    assert chosen["value"] == pytest.approx(np.mean(answers.argmax(axis=1) == labels), abs=1e-6)
    assert chosen["size_bytes"] == version.model_file.stat().st_size
    assert chosen["audit"]["raw_inputs"]["examples"] == 256
    # A sixteenth is exact in float, so that nothing is rounded otherwise.
    assert chosen["audit"]["raw_inputs"]["max_abs_error"] == 0.0


def test_golden_pairs_hold_raw_records(finished, folder):
    version = Registry(folder / "workspace" / "registry").current()
    pairs = Golden.load(version.path / "golden.npz")
    pixels = [pixels for pixels, _ in eval_records(folder / "workspace")]
    np.testing.assert_array_equal(pairs.inputs["image"], pixels[:10])
    assert verify_golden(version.model_file, version.path / "golden.npz") == []


def test_the_model_card_runs_a_model_that_takes_raw_records(finished, folder, run_card):
    version = Registry(folder / "workspace" / "registry").current()
    assert run_card(version.path) == 10
    assert "LongArray(64)" in version.read("card.md").decode()


def test_the_baseline_is_measured_with_its_transform_too(finished, folder):
    (path,) = (folder / "workspace" / "artifacts" / "raw-baseline").glob("exported/*/Format-Serving/tflite")
    assert finished.summary["baseline"]["size_bytes"] == path.stat().st_size
    assert finished.summary["baseline"]["latency_ms"]["p50"] > 0


def test_other_inputs_need_no_other_training(finished, folder, make_config, run_here):
    again = run_here(make_config(folder, variants=VARIANTS), end="gate-int8-io")
    assert {node["status"] for node in again.summary["nodes"] if node["id"] == "trainer"} == {"cached"}
    assert "raw-transform" not in {node["id"] for node in again.summary["nodes"]}


def test_an_operator_that_tflite_lacks_stops_the_run_before_training(
    finished, folder, make_config, run_here, monkeypatch
):
    (folder / "bucket_model.py").write_text(BUCKETS)
    monkeypatch.syspath_prepend(str(folder))
    model = {"module": "bucket_model", "hparams": None}
    stopped = run_here(make_config(folder, model=model, variants=VARIANTS, export={"inputs": "raw"}))
    states = {node["id"]: node["status"] for node in stopped.summary["nodes"]}
    assert (states["raw-transform"], states["trainer"]) == ("failed", "not_run")
    assert (stopped.summary["status"], stopped.summary["exit_code"]) == ("failed", 1)
    said = json.dumps(stopped.summary["variants"][0]["reasons"])
    assert "got UpperBound (bucketize/apply_buckets/assign_buckets/UpperBound); tft.bucketize and" in said

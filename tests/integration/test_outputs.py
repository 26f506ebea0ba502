"""A model with two outputs from the records to the registry: which digit an image shows, and whether it is odd."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from compression.edge.files import GOLDEN
from compression.edge.golden import Golden, verify_golden
from compression.predict import TFLitePredictor
from pipeline.tfrecord import write_tfrecord

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
MODULE = """
import tensorflow as tf
from tensorflow import keras

layers = keras.layers


def preprocessing_fn(inputs):
    image = tf.reshape(tf.cast(inputs["image"], tf.float32) / 16.0, [-1, 8, 8, 1])
    return {"image": image, "label": inputs["label"], "odd": inputs["odd"]}


def build_model(hparams):
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")(image)
    x = layers.Flatten(name="flatten")(layers.MaxPooling2D(name="pool")(x))
    x = layers.Dense(32, activation="relu", name="hidden")(x)
    digit = layers.Dense(10, activation="softmax", name="digit")(x)
    return keras.Model(image, [digit, layers.Dense(1, activation="sigmoid", name="parity")(x)])
"""
INT8 = {"quantize": {"mode": "int8"}}
FINETUNE = {"batch_size": 16}
VARIANTS = {
    "int8": [INT8],
    "pqat_int8": [{"prune": {**FINETUNE, "sparsity": 0.5, "epochs": 2}}, {"qat": {**FINETUNE, "epochs": 1}}, INT8],
    "again_int8": [{"distill": {**FINETUNE, "student": "same", "epochs": 6, "learning_rate": 0.004}}, INT8],
}
DIGIT = {"output": "digit", "metric": "accuracy", "max_drop": 0.1, "confidence": 0.9}
PARITY = {"output": "parity", "metric": "recall", "max_drop": 0.15}


@pytest.fixture(scope="module")
def run_with(tmp_path_factory, make_config, run_here):
    """Runs in one workspace, so that data, training and conversions are done once."""
    folder = tmp_path_factory.mktemp("outputs")
    (folder / "data").mkdir()
    (folder / "two_heads.py").write_text(MODULE)
    digits = load_digits()
    rows = zip(digits.data.astype(int).tolist(), digits.target.tolist(), strict=True)
    write_tfrecord(folder / "data" / "a", ({"image": x, "label": [y], "odd": [y % 2]} for x, y in rows))

    def run(gate):
        config = make_config(
            folder,
            data={
                "path": str(folder / "data"),
                "label": {"digit": "label", "parity": "odd"},
                "label_names": {"parity": ["even", "odd"]},
            },
            model={"module": "two_heads", "task": {"digit": "multiclass", "parity": "binary"}},
            train={"epochs": 6},
            variants=VARIANTS,
            gate=gate,
        )
        return run_here(config)

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield run


@pytest.fixture(scope="module")
def first(both):
    return both.summary


@pytest.fixture(scope="module")
def both(run_with):
    return run_with([DIGIT, PARITY])


def gates(variant):
    return {(gate["output"], gate["metric"], gate["rule"]): gate["state"] for gate in variant["gates"]}


def eval_examples(version):
    """The eval split as ingest wrote it, preprocessed by hand."""
    workspace = Path(version["path"]).parents[2]
    (path,) = (workspace / "artifacts" / "ingest").glob("examples/*/Split-eval/*")
    features = [
        tf.train.Example.FromString(record).features.feature
        for record in tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator()
    ]
    images = np.array([feature["image"].int64_list.value for feature in features], np.float32).reshape(-1, 8, 8, 1)
    return images / 16, np.array([feature["label"].int64_list.value[0] for feature in features])


def test_every_variant_is_judged_by_both_outputs(first):
    jsonschema.validate(first, json.loads((ROOT / "pipeline" / "summary_schema.json").read_text()))
    assert (first["status"], first["baseline"]["metric"]) == ("pushed", "digit/accuracy")
    for variant in first["variants"]:
        assert (variant["status"], variant["metric"]) == ("passed", "digit/accuracy"), variant["reasons"]
        assert gates(variant) == {
            ("digit", "digit/accuracy", "max_drop"): "passed",
            ("parity", "parity/recall", "max_drop"): "passed",
        }


def test_the_numbers_are_what_the_pushed_file_answers(first):
    images, digits = eval_examples(first["pushed"])
    answers = TFLitePredictor(Path(first["pushed"]["path"]) / "model.tflite").answers({"image": images})
    (variant,) = (variant for variant in first["variants"] if variant["name"] == first["selected"])
    assert variant["value"] == pytest.approx(np.mean(answers["digit"].argmax(axis=1) == digits), abs=1e-6)
    manifest = json.loads((Path(first["pushed"]["path"]) / "manifest.json").read_text())
    recall = np.mean(answers["parity"][digits % 2 == 1, 0] > 0.5)
    assert manifest["gate"]["metrics"]["parity/recall"]["candidate"] == pytest.approx(recall, abs=1e-6)
    assert {output["name"]: output["shape"] for output in manifest["outputs"]} == {"digit": [-1, 10], "parity": [-1, 1]}
    assert manifest["label_names"] == {"parity": ["even", "odd"]}


def test_each_output_has_its_confusion_matrices(both):
    details = json.loads(both.summary_path.with_name("details.json").read_text())
    jsonschema.validate(details, json.loads((ROOT / "report" / "details_schema.json").read_text()))
    digit, parity = details["confusion"]
    assert (digit["output"], digit["labels"]) == ("digit", [str(number) for number in range(10)])
    assert (parity["output"], parity["labels"]) == ("parity", ["even", "odd"])
    for variant in both.summary["variants"]:
        counts = np.array(digit["variants"][variant["name"]])
        assert np.trace(counts) / counts.sum() == pytest.approx(variant["value"], abs=1e-9)
        assert np.sum(parity["variants"][variant["name"]]) == counts.sum()
    assert {len(curve["series"]) for curve in details["curves"]} == {10}, "loss and metric of each, and the whole loss"


def test_devices_get_golden_pairs_of_both_outputs(first):
    folder = Path(first["pushed"]["path"])
    assert set(Golden.load(folder / GOLDEN).outputs) == {"digit", "parity"}
    assert verify_golden(folder / "model.tflite", folder / GOLDEN) == []


def test_one_output_that_fails_its_rule_blocks_every_variant(run_with, first):
    """The digits are as good as before; only the rule on parity cannot be met."""
    finished = run_with([DIGIT, {**PARITY, "min_value": 1.0}])
    summary = finished.summary
    assert (summary["status"], summary["pushed"]) == ("blocked", None)
    states = {node["id"]: node["status"] for node in summary["nodes"]}
    assert (states["trainer"], states["quantize-int8"], states["gate-int8"]) == ("cached", "cached", "complete")
    for before, variant in zip(first["variants"], summary["variants"], strict=True):
        assert (variant["status"], variant["value"]) == ("blocked", before["value"])
        found = gates(variant)
        assert found["digit", "digit/accuracy", "max_drop"] == "passed"
        assert found["parity", "parity/recall", "min_value"] == "blocked"
        assert variant["reasons"][0].startswith("recall of parity must be at least 1; it is")

"""What is said of a finished file, the bad ones included."""

import json

import numpy as np
import tf_keras as keras

from compression import conversion, keras_models
from compression.data import Split, TrainingData
from compression.kernels import kernels
from compression.promises import Sharing, to_plain
from compression.settings import QuantizeSettings
from compression.step_promises import promise_sparsity


def _request(model: keras.Model, folder, data: TrainingData, mode: str, reports=(), metric="accuracy"):
    keras_models.save(model, folder / "model")
    settings = QuantizeSettings(mode=mode, calibration_examples=50)
    return conversion.Request(str(folder / "model"), settings, data.for_features, metric, 1, reports)


def test_the_report_is_plain_and_true(trained, data, tmp_path):
    # Nobody has pruned this model.
    promises = promise_sparsity(kernels(trained), {"conv": 0.5, "digit": 0.5}, {"kernel"})
    pruned = {"step": "prune", "promises": to_plain([*promises, Sharing("conv", "kernel", 256, "tensor")])}
    finished = conversion.finish(_request(trained, tmp_path, data, "int8", [pruned]))
    report = json.loads(json.dumps(finished.report))
    assert report["audit"]["size_bytes"] == len(finished.content)
    assert [row["kernels"] for row in report["audit"]["weights"]] == [[["conv", "kernel"]], [["digit", "kernel"]]]
    made = [promise["promise"] for promise in report["promises"]["made"]]
    assert made == ["sparsity", "sparsity", "sharing", "stored", "stored"]
    broken = report["promises"]["broken"]
    assert [text.split(",")[0] for text in broken] == [
        "layer conv: promised 50.00% zeros",
        "layer digit: promised 50.00% zeros",
    ]
    assert report["mismatch"] is None
    assert 0 < report["sizes"]["entropy_bytes"] <= sum(row["size_bytes"] for row in report["audit"]["weights"])
    assert report["sizes"]["lut_bytes"] is not None or report["sizes"]["not_measured"]["lut_bytes"]
    assert report["validation"] > 0.8


def test_a_mismatch_is_a_result(tmp_path):
    x = keras.Input((2,), name="x")
    model = keras.Model(x, keras.layers.Dense(1, use_bias=False, name="head")(x))
    model.set_weights([np.array([[1e6], [1.0]], np.float32)])  # float16 ends at 65,504
    split = Split.from_arrays({"x": np.ones((4, 2), np.float32)}, np.zeros((4, 1), np.float32))
    data = TrainingData(split, split, "regression", seed=1)
    finished = conversion.finish(_request(model, tmp_path, data, "float16", metric="rmse"))
    assert finished.report["mismatch"].startswith("a float16 file must compute what its Keras model computes")
    assert len(finished.content) == finished.report["audit"]["size_bytes"]

"""Regression on real data (scikit-learn's diabetes, 442 patients): lower is better, and the gate knows it."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

pytestmark = pytest.mark.integration

MODULE = """
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow import keras


def preprocessing_fn(inputs):
    return {"x": tft.scale_to_z_score(inputs["x"], elementwise=True), "y": inputs["y"]}


def build_model(hparams):
    x = keras.Input((10,), name="x")
    hidden = keras.layers.Dense(hparams["units"], activation="relu", name="hidden")(x)
    return keras.Model(x, keras.layers.Dense(1, name="progression")(hidden))
"""


def test_gate_blocks_a_worse_rmse_and_passes_a_better_one(tmp_path, make_config, run_here, monkeypatch):
    data = load_diabetes(scaled=False)
    np.savez(tmp_path / "diabetes.npz", x=data.data.astype(np.float32), y=data.target.astype(np.float32))
    (tmp_path / "diabetes_model.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    # 98 of 100 weights gone at once is worse for certain; more training of an unfinished model is better.
    finetune = {"batch_size": 16, "learning_rate": 0.01}
    variants = {
        "worse": [
            {"prune": {**finetune, "sparsity": 0.98, "epochs": 1, "learning_rate": 1e-5}},
            {"quantize": {"mode": "float32"}},
        ],
        "better": [{"prune": {**finetune, "sparsity": 0.1, "epochs": 20}}, {"quantize": {"mode": "float32"}}],
    }
    config = make_config(
        tmp_path,
        name="diabetes",
        data={
            "format": "npz",
            "path": str(tmp_path / "diabetes.npz"),
            "label": "y",
            "arrays": {"x": "x", "y": "y"},
            "splits": {"train": 5, "validation": 1, "eval": 4},
        },
        model={"module": "diabetes_model", "task": "regression", "hparams": {"units": 16, "filters": None}},
        train={"epochs": 12, "learning_rate": 0.01},
        variants=variants,
        gate={"metric": "rmse", "max_drop": 0.5, "max_value": 200.0},
    )
    summary = run_here(config).summary
    found = {variant["name"]: variant for variant in summary["variants"]}
    baseline = summary["baseline"]["value"]
    assert found["worse"]["value"] > baseline + 0.5
    assert found["worse"]["status"] == "blocked"
    assert found["worse"]["drop"] == pytest.approx(found["worse"]["value"] - baseline)
    assert "root mean squared error may rise by at most 0.5; it rises by" in found["worse"]["reasons"][0]
    assert found["better"]["value"] < baseline
    assert (found["better"]["status"], summary["selected"], summary["status"]) == ("passed", "better", "pushed")

"""The gate as a component: what it blesses, what it never blesses, what TFMA reads of it."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow_model_analysis as tfma

from components.evaluate.spec import GateSpec, Rule

ACCURACY = GateSpec(task="multiclass", label="label", rules=(Rule(metric="accuracy", max_drop=0.03),))
CLASSES = 3


def data(one_hot, size=600, flipped=0, seed=7):
    """A baseline that is right 9 times of 10, and a candidate that differs from it in `flipped` right answers."""
    random = np.random.default_rng(seed)
    label = random.integers(0, CLASSES, size)
    baseline = np.where(random.random(size) < 0.9, label, (label + 1) % CLASSES)
    candidate = baseline.copy()
    worse = np.flatnonzero(baseline == label)[:flipped]
    candidate[worse] = (label[worse] + 1) % CLASSES
    return {
        "label": label,
        "baseline": one_hot(baseline, CLASSES),
        "candidate": one_hot(candidate, CLASSES),
        "group": np.array(["a", "b"])[label % 2],
        "tenth": np.arange(size) % 10,
    }


def test_equal_model_passes_and_tfma_reads_the_results(bench, one_hot):
    columns = data(one_hot)
    gate = bench(columns, shards=2)
    verdict = gate.gate(ACCURACY)
    assert (verdict.state, verdict.reasons, gate.blessed) == ("passed", [], 1)
    assert (Path(gate.blessing.uri) / "BLESSED").exists()
    assert gate.blessing.get_int_custom_property("current_model_id") == gate.model("candidate").id
    right = float(np.mean(columns["baseline"].argmax(axis=1) == columns["label"]))
    for model in ("candidate", "baseline"):
        result = tfma.load_eval_result(gate.evaluation.uri, model_name=model)
        stored = dict(result.get_metrics_for_slice())
        assert stored["accuracy"]["doubleValue"] == pytest.approx(right)
        assert stored["example_count"]["doubleValue"] == 600
    validation = tfma.load_validation_result(gate.evaluation.uri)
    assert validation.validation_ok


def test_shuffled_labels_on_three_percent_are_blocked(bench, one_hot):
    columns = data(one_hot, size=4000, flipped=4000 * 6 // 100)
    gate = bench(columns)
    verdict = gate.gate(ACCURACY)
    assert (verdict.state, gate.blessed) == ("blocked", 0)
    assert (Path(gate.blessing.uri) / "NOT_BLESSED").exists()
    assert not tfma.load_validation_result(gate.evaluation.uri).validation_ok
    assert "may drop by at most 0.03" in verdict.reasons[0]

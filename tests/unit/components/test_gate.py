"""The gate's rule: directions, borders, words, and the proof that our own predictor answered."""

import math

import pytest
from tensorflow_model_analysis.proto import config_pb2

from components.gate import GateResult, GateRule, eval_config, judge


def result(candidate, baseline, examples=100, edge=100):
    return GateResult(candidate, baseline, examples, edge, blessed=True)


def failed(rule, measured):
    return [check.rule for check in judge(rule, measured) if not check.passed]


CASES = {
    "equal passes a drop of zero": (GateRule("accuracy", "multiclass", max_drop=0.0), 0.9, 0.9, []),
    "drop within": (GateRule("accuracy", "multiclass", max_drop=0.03), 0.90, 0.92, []),
    "drop beyond": (GateRule("accuracy", "multiclass", max_drop=0.03), 0.85, 0.92, ["max_drop"]),
    "a gain is no drop": (GateRule("accuracy", "multiclass", max_drop=0.0), 0.95, 0.92, []),
    "too low": (GateRule("accuracy", "multiclass", max_drop=0.5, min_value=0.9), 0.85, 0.92, ["min_value"]),
    "rmse grew too much": (GateRule("rmse", "regression", max_drop=1.0), 12.5, 11.0, ["max_drop"]),
    "rmse shrank": (GateRule("rmse", "regression", max_drop=0.0), 10.0, 11.0, []),
    "rmse too high": (GateRule("rmse", "regression", max_drop=9.0, max_value=12.0), 12.5, 11.0, ["max_value"]),
    "percent within": (GateRule("rmse", "regression", max_drop_percent=10.0), 12.0, 11.0, []),
    "percent beyond": (GateRule("rmse", "regression", max_drop_percent=9.0), 12.0, 11.0, ["max_drop_percent"]),
    "percent of zero": (GateRule("mae", "regression", max_drop_percent=9.0), 0.1, 0.0, ["max_drop_percent"]),
    "not a number": (GateRule("accuracy", "multiclass", max_drop=0.5), math.nan, 0.9, ["max_drop"]),
}


@pytest.mark.parametrize("name", CASES)
def test_rules(name):
    rule, candidate, baseline, expected = CASES[name]
    assert failed(rule, result(candidate, baseline)) == expected


@pytest.mark.parametrize(("examples", "edge"), [(100, 0), (100, 99), (0, 0)])
def test_nothing_passes_without_our_own_answers(examples, edge):
    rule = GateRule("accuracy", "multiclass", max_drop=1.0)
    assert failed(rule, result(0.9, 0.9, examples, edge)) == ["edge_predictions"]


def test_reason_says_values_and_limit():
    (_, check) = judge(GateRule("accuracy", "multiclass", max_drop=0.03), result(0.85, 0.92))
    assert check.reason == "accuracy drops by 0.07 (0.92 to 0.85); at most 0.03 is allowed"


def thresholds(rule):
    specs = eval_config(rule, label="y", code_sha256="c0de").metrics_specs
    return {metric.class_name: metric.threshold for spec in specs for metric in spec.metrics}


def test_evaluator_gets_the_same_rule():
    higher = thresholds(GateRule("accuracy", "multiclass", max_drop=0.03, min_value=0.9))["SparseCategoricalAccuracy"]
    assert higher.value_threshold.lower_bound.value == 0.9
    assert higher.change_threshold.absolute.value == -0.03
    assert higher.change_threshold.direction == config_pb2.MetricDirection.HIGHER_IS_BETTER
    lower = thresholds(GateRule("rmse", "regression", max_drop_percent=5.0, max_value=60.0))["RootMeanSquaredError"]
    assert lower.value_threshold.upper_bound.value == 60.0
    assert lower.change_threshold.relative.value == 0.05
    assert lower.change_threshold.direction == config_pb2.MetricDirection.LOWER_IS_BETTER


def test_evaluator_cannot_bless_without_the_proof_and_knows_the_code():
    config = eval_config(GateRule("accuracy", "multiclass", max_drop=0.03), label="y", code_sha256="c0de")
    (proof,) = [m for spec in config.metrics_specs for m in spec.metrics if m.class_name == "EdgePredictions"]
    assert proof.threshold.value_threshold.lower_bound.value == 1
    assert "c0de" in proof.config
    assert [spec.is_baseline for spec in config.model_specs] == [False, True]

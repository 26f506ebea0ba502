"""The gate's rule: what the Evaluator is told, and what its results say in words."""

import json
import math
from dataclasses import asdict, dataclass

import tensorflow_model_analysis as tfma

# `tfx` repairs names of TFMA's package, so it is imported first.
import tfx  # noqa: F401
from google.protobuf import wrappers_pb2
from tensorflow_model_analysis.proto import config_pb2

from compression.settings.metrics import METRICS, drop

CANDIDATE = "candidate"
BASELINE = "baseline"
EXTRACTORS_MODULE = "components.gate_extractors"
PROOF_METRIC = "edge_predictions"
_COUNT_METRIC = "example_count"


@dataclass(frozen=True)
class GateRule:
    """What a compressed model must keep; the fields are those of `gate` in the configuration.

    Attributes:
        metric: A key of `METRICS`.
        task: The model's task.
        max_drop: Largest loss of quality against the baseline, in the metric's unit.
        max_drop_percent: The same in percent of the baseline's value; exactly one of the two is given.
        min_value: Smallest value, for metrics where higher is better.
        max_value: Largest value, for metrics where lower is better.
    """

    metric: str
    task: str
    max_drop: float | None = None
    max_drop_percent: float | None = None
    min_value: float | None = None
    max_value: float | None = None

    def to_json(self) -> str:
        """For a component's parameter."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "GateRule":
        """The inverse of `to_json`."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class GateResult:
    """What the Evaluator measured on the eval split.

    Attributes:
        candidate: The compressed model's metric.
        baseline: The float baseline's metric.
        examples: Number of examples that were compared.
        edge_predictions: How many of them our own predictor answered; anything but all of them is a broken gate.
        blessed: The Evaluator's own verdict.
    """

    candidate: float
    baseline: float
    examples: int
    edge_predictions: int
    blessed: bool


@dataclass(frozen=True)
class Check:
    """One rule, judged."""

    rule: str
    threshold: float | None
    value: float | None
    passed: bool
    reason: str


def eval_config(rule: GateRule, *, label: str, code_sha256: str) -> config_pb2.EvalConfig:
    """The stock Evaluator's configuration for one candidate beside the baseline.

    `code_sha256` stands in the proof metric's configuration, because the source behind `module_path` is not part of
    the Evaluator's cache key.
    """
    metric = config_pb2.MetricConfig(
        class_name=METRICS[rule.metric].class_names[rule.task],
        config=json.dumps({"name": rule.metric}),
        threshold=config_pb2.MetricThreshold(
            value_threshold=_value_threshold(rule), change_threshold=_change_threshold(rule)
        ),
    )
    # TFX swallows errors while it looks our extractors up and then uses its own: without one answer of ours, no pass.
    proof = config_pb2.MetricConfig(
        class_name="EdgePredictions",
        module="components.gate_metric",
        config=json.dumps({"name": PROOF_METRIC, "code_sha256": code_sha256}),
        threshold=config_pb2.MetricThreshold(
            value_threshold=config_pb2.GenericValueThreshold(lower_bound=wrappers_pb2.DoubleValue(value=1))
        ),
    )
    count = config_pb2.MetricConfig(class_name="ExampleCount", config=json.dumps({"name": _COUNT_METRIC}))
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(name=CANDIDATE, label_key=label, model_type="tf_lite"),
            config_pb2.ModelSpec(name=BASELINE, label_key=label, model_type="tf_generic", is_baseline=True),
        ],
        slicing_specs=[config_pb2.SlicingSpec()],
        metrics_specs=[
            config_pb2.MetricsSpec(model_names=[CANDIDATE, BASELINE], metrics=[count, metric]),
            config_pb2.MetricsSpec(model_names=[CANDIDATE], metrics=[proof]),
        ],
    )


def _value_threshold(rule: GateRule) -> config_pb2.GenericValueThreshold | None:
    if rule.min_value is not None:
        return config_pb2.GenericValueThreshold(lower_bound=wrappers_pb2.DoubleValue(value=rule.min_value))
    if rule.max_value is not None:
        return config_pb2.GenericValueThreshold(upper_bound=wrappers_pb2.DoubleValue(value=rule.max_value))
    return None


def _change_threshold(rule: GateRule) -> config_pb2.GenericChangeThreshold:
    higher = METRICS[rule.metric].higher_is_better
    sign = -1 if higher else 1
    direction = config_pb2.MetricDirection.HIGHER_IS_BETTER if higher else config_pb2.MetricDirection.LOWER_IS_BETTER
    if rule.max_drop is not None:
        absolute = wrappers_pb2.DoubleValue(value=sign * rule.max_drop)
        return config_pb2.GenericChangeThreshold(absolute=absolute, direction=direction)
    relative = wrappers_pb2.DoubleValue(value=sign * rule.max_drop_percent / 100)
    return config_pb2.GenericChangeThreshold(relative=relative, direction=direction)


def read_result(evaluation_uri: str, metric: str) -> GateResult:
    """Reads what the Evaluator wrote; a metric that it did not compute is NaN or zero, which nothing passes."""
    values = {
        model: dict(tfma.load_eval_result(evaluation_uri, model_name=model).get_metrics_for_slice())
        for model in (CANDIDATE, BASELINE)
    }
    return GateResult(
        candidate=_number(values[CANDIDATE], metric, math.nan),
        baseline=_number(values[BASELINE], metric, math.nan),
        examples=int(_number(values[CANDIDATE], _COUNT_METRIC, 0)),
        edge_predictions=int(_number(values[CANDIDATE], PROOF_METRIC, 0)),
        blessed=tfma.load_validation_result(evaluation_uri).validation_ok,
    )


def _number(values: dict, name: str, default: float) -> float:
    return values.get(name, {}).get("doubleValue", default)


def judge(rule: GateRule, result: GateResult) -> list[Check]:
    """Every rule of the gate with its value and a reason in words; the gate passes when all do."""
    title = METRICS[rule.metric].title
    lost = drop(rule.metric, result.baseline, result.candidate)
    checks = [_proof_check(result)]
    if rule.max_drop is not None:
        passed = lost <= rule.max_drop
        values = f"{result.baseline:.4g} to {result.candidate:.4g}"
        reason = f"{title} drops by {lost:.4g} ({values}); at most {rule.max_drop:g} is allowed"
        checks.append(Check("max_drop", rule.max_drop, lost, passed, reason))
    if rule.max_drop_percent is not None:
        percent = 100 * lost / result.baseline if result.baseline else math.nan
        reason = (
            f"{title} drops by {percent:.3g} % of {result.baseline:.4g}; at most {rule.max_drop_percent:g} % is allowed"
        )
        checks.append(
            Check("max_drop_percent", rule.max_drop_percent, percent, percent <= rule.max_drop_percent, reason)
        )
    if rule.min_value is not None:
        reason = f"{title} is {result.candidate:.4g}; at least {rule.min_value:g} is needed"
        checks.append(Check("min_value", rule.min_value, result.candidate, result.candidate >= rule.min_value, reason))
    if rule.max_value is not None:
        reason = f"{title} is {result.candidate:.4g}; at most {rule.max_value:g} is allowed"
        checks.append(Check("max_value", rule.max_value, result.candidate, result.candidate <= rule.max_value, reason))
    return checks


def _proof_check(result: GateResult) -> Check:
    passed = 0 < result.examples == result.edge_predictions
    reason = (
        f"the gate's own predictor must answer all {result.examples} eval examples, but answered "
        f"{result.edge_predictions}; nothing can be said about this model"
    )
    return Check("edge_predictions", result.examples, result.edge_predictions, passed, reason)

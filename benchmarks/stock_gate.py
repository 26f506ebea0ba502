"""The stock Evaluator's configuration for one candidate beside its baseline: what our gate is measured against."""

import json

# `tfx` repairs names of TFMA's package, so it is imported first.
import tfx  # noqa: F401
from google.protobuf import wrappers_pb2
from tensorflow_model_analysis.proto import config_pb2

EXTRACTORS_MODULE = "benchmarks.gate_extractors"


def eval_config(max_drop: float, *, baseline_type: str, with_proof: bool) -> config_pb2.EvalConfig:
    """Accuracy of a TFLite candidate against the baseline, no slices: the least that the Evaluator can do.

    Args:
        max_drop: Largest drop that passes.
        baseline_type: TFMA's model type of the baseline; the stock path wants `tf_lite` beside a TFLite candidate.
        with_proof: Ask for a count of the examples that our own extractors answered. TFX swallows errors while it
            looks custom extractors up and then silently uses its own.
    """
    absolute = wrappers_pb2.DoubleValue(value=-max_drop)
    change = config_pb2.GenericChangeThreshold(absolute=absolute, direction=config_pb2.MetricDirection.HIGHER_IS_BETTER)
    accuracy = config_pb2.MetricConfig(
        class_name="SparseCategoricalAccuracy",
        config=json.dumps({"name": "accuracy"}),
        threshold=config_pb2.MetricThreshold(change_threshold=change),
    )
    count = config_pb2.MetricConfig(class_name="ExampleCount", config=json.dumps({"name": "example_count"}))
    specs = [config_pb2.MetricsSpec(model_names=["candidate", "baseline"], metrics=[count, accuracy])]
    if with_proof:
        proof = config_pb2.MetricConfig(
            class_name="EdgePredictions",
            module="benchmarks.gate_metric",
            config=json.dumps({"name": "edge_predictions"}),
            threshold=config_pb2.MetricThreshold(
                value_threshold=config_pb2.GenericValueThreshold(lower_bound=wrappers_pb2.DoubleValue(value=1))
            ),
        )
        specs.append(config_pb2.MetricsSpec(model_names=["candidate"], metrics=[proof]))
    return config_pb2.EvalConfig(
        model_specs=[
            config_pb2.ModelSpec(name="candidate", label_key="label", model_type="tf_lite"),
            config_pb2.ModelSpec(name="baseline", label_key="label", model_type=baseline_type, is_baseline=True),
        ],
        slicing_specs=[config_pb2.SlicingSpec()],
        metrics_specs=specs,
    )

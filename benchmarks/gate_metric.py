"""A TFMA metric that counts the examples which our own predictor answered: the proof that it ran."""

from collections.abc import Iterable

import apache_beam as beam
import tfx  # noqa: F401 - repairs names of TFMA's package, so it comes first
from tensorflow_model_analysis.metrics import metric_types

PROOF_EXTRACT = "edge_predictor"
"""Extract that our predictor adds to every example it answers."""


class EdgePredictions(metric_types.Metric):
    """Number of examples answered by the edge predictor.

    Args:
        name: Name of the metric.
    """

    def __init__(self, name: str = "edge_predictions") -> None:
        super().__init__(_computations, name=name)


metric_types.register_metric(EdgePredictions)


def _computations(name: str, model_names: list[str] | None = None) -> metric_types.MetricComputations:
    preprocessor = metric_types.StandardMetricInputsPreprocessor(
        include_filter={PROOF_EXTRACT: {}}, include_default_inputs=False
    )
    return [
        metric_types.MetricComputation(keys=[key], preprocessors=[preprocessor], combiner=_Count(key))
        for key in (metric_types.MetricKey(name=name, model_name=model) for model in model_names or [""])
    ]


class _Count(beam.CombineFn):
    def __init__(self, key: metric_types.MetricKey) -> None:
        self._key = key

    def create_accumulator(self) -> float:
        return 0.0

    def add_input(self, count: float, element: metric_types.StandardMetricInputs) -> float:
        return count + float(PROOF_EXTRACT in element)

    def merge_accumulators(self, counts: Iterable[float]) -> float:
        return sum(counts)

    def extract_output(self, count: float) -> dict[metric_types.MetricKey, float]:
        return {self._key: count}

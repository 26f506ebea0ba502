"""The metrics a gate can use, as a table: direction, tasks, and who computes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from compression.outputs import parted


@dataclass(frozen=True)
class Metric:
    """One row of the table.

    Attributes:
        higher_is_better: Direction; a *drop* is always a loss of quality in this direction.
        class_names: Per task, the class that computes the metric; TFMA and tf_keras use the same names.
            A task without an entry does not know the metric.
        title: How people write the metric.
        arguments: What the class is made with.
    """

    higher_is_better: bool
    class_names: dict[str, str]
    title: str
    arguments: Mapping[str, float] = field(default_factory=dict)


METRICS: dict[str, Metric] = {
    "accuracy": Metric(True, {"multiclass": "SparseCategoricalAccuracy", "binary": "BinaryAccuracy"}, "accuracy"),
    "auc": Metric(True, {"binary": "AUC"}, "area under the ROC curve"),
    "precision": Metric(True, {"binary": "Precision"}, "precision"),
    "recall": Metric(True, {"binary": "Recall"}, "recall"),
    "f1": Metric(True, {"binary": "F1Score"}, "F1 score", {"threshold": 0.5}),
    "rmse": Metric(False, {"regression": "RootMeanSquaredError"}, "root mean squared error"),
    "mae": Metric(False, {"regression": "MeanAbsoluteError"}, "mean absolute error"),
}


def metric_row(name: str) -> Metric:
    """The row of a metric, `accuracy`, or of an output's metric, `digit/accuracy`."""
    return METRICS[parted(name)[1]]


def title(name: str) -> str:
    """How people write a metric.

    >>> title("auc"), title("parity/auc")
    ('area under the ROC curve', 'area under the ROC curve of parity')
    """
    output, metric = parted(name)
    return f"{METRICS[metric].title} of {output}" if output else METRICS[metric].title


def drop(metric: str, baseline: float, candidate: float) -> float:
    """Loss of quality from baseline to candidate, in the metric's own direction; negative is a gain.

    >>> drop("accuracy", baseline=0.75, candidate=0.5)
    0.25
    >>> drop("rmse", baseline=2.0, candidate=2.5)
    0.5
    """
    return baseline - candidate if metric_row(metric).higher_is_better else candidate - baseline

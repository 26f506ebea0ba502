import math

import numpy as np
import pytest

from compression.data import Split
from compression.errors import CompressionError
from compression.evaluate import evaluate
from compression.settings.metrics import METRICS


def _evaluate(metric: str, task: str, predictions: list, labels: list, batch_size: int = 2) -> float:
    split = Split.from_arrays({"p": np.array(predictions, np.float32)}, np.array(labels))
    return evaluate(lambda features: features["p"], split, metric, task, batch_size)


@pytest.mark.parametrize(
    ("metric", "task", "predictions", "labels", "expected"),
    [
        ("accuracy", "multiclass", [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]], [0, 1, 1], 2 / 3),
        ("accuracy", "binary", [[0.9], [0.2], [0.6]], [1, 1, 1], 2 / 3),
        ("accuracy", "binary", [[0.9], [0.2], [0.6]], [[1], [1], [1]], 2 / 3),
        ("precision", "binary", [[0.9], [0.8], [0.1]], [1, 0, 1], 1 / 2),
        ("recall", "binary", [[0.9], [0.8], [0.1]], [1, 0, 1], 1 / 2),
        ("auc", "binary", [[0.9], [0.5], [0.1]], [1, 0, 0], 1.0),
        ("f1", "binary", [[0.9], [0.5], [0.6]], [1, 1, 0], 0.5),
        ("rmse", "regression", [[1.0], [2.0], [3.0]], [1.0, 2.0, 6.0], math.sqrt(3)),
        ("mae", "regression", [[1.0], [2.0], [3.0]], [1.0, 2.0, 6.0], 1.0),
    ],
)
def test_metrics_by_hand(metric, task, predictions, labels, expected):
    assert _evaluate(metric, task, predictions, labels) == pytest.approx(expected, abs=1e-6)


def test_every_metric_of_the_table_can_be_computed():
    for name, row in METRICS.items():
        for task in row.class_names:
            predictions = [[0.9, 0.1], [0.2, 0.8]] if task == "multiclass" else [[0.9], [0.2]]
            assert math.isfinite(_evaluate(name, task, predictions, [1, 0]))


def test_a_metric_of_another_task_is_refused():
    with pytest.raises(CompressionError, match="regression knows the metrics mae, rmse, got 'accuracy'"):
        _evaluate("accuracy", "regression", [[1.0]], [1.0])

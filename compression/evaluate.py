"""A metric of a predictor on a split, by the metric classes that the gate names."""

from collections.abc import Callable

import numpy as np
import tf_keras as keras

from compression.data import Features, Split, Task
from compression.errors import CompressionError
from compression.settings.metrics import METRICS


def evaluate(
    predict: Callable[[Features], np.ndarray], split: Split, metric: str, task: Task, batch_size: int = 256
) -> float:
    """The metric over a whole split, in whole batches.

    Args:
        predict: Features `[batch, ...]` by name to predictions: class probabilities `[batch, C]`, or `[batch, 1]`.
        split: Examples to judge by; selection uses validation.
        metric: A name in `compression.settings.metrics.METRICS`.
        task: What the labels mean.
        batch_size: Examples in a batch.

    Raises:
        CompressionError: When the task does not know the metric.
    """
    known = sorted(name for name, row in METRICS.items() if task in row.class_names)
    if metric not in known:
        raise CompressionError(f"task {task} knows the metrics {', '.join(known)}, got {metric!r}; choose one of them")
    row = METRICS[metric]
    total = getattr(keras.metrics, row.class_names[task])(**row.arguments)
    for features, label in split.iterate_arrays(batch_size):
        predictions = predict(features)
        # Labels come as [batch] or [batch, 1]; against [batch, 1] the former would broadcast to [batch, batch].
        total.update_state(label.reshape(len(label), 1), predictions)
    # F1Score gives one number per output.
    return float(np.ravel(total.result().numpy())[0])

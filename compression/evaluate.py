"""A metric of a predictor on a split, by the metric classes that the gate names."""

from collections.abc import Callable, Mapping

import numpy as np
import tf_keras as keras

from compression.data import Features, Split, Task
from compression.errors import CompressionError
from compression.outputs import by_output, of_output, parted
from compression.settings.metrics import METRICS

Predictions = np.ndarray | Mapping[str, np.ndarray]
"""Class probabilities `[batch, C]` or `[batch, 1]` of the only output, or of several by name."""


def evaluate(
    predict: Callable[[Features], Predictions],
    split: Split,
    metric: str,
    task: Task | Mapping[str, Task],
    batch_size: int = 256,
) -> float:
    """The metric over a whole split, in whole batches.

    Args:
        predict: Features `[batch, ...]` by name to predictions.
        split: Examples to judge by; selection uses validation.
        metric: A name in `compression.settings.metrics.METRICS`; of one of several outputs `output/name`.
        task: What the labels mean, of several outputs by name.
        batch_size: Examples in a batch.

    Raises:
        CompressionError: When the task does not know the metric.
    """
    output, name = parted(metric)
    own_task = _task(by_output(task), metric)
    known = sorted(name for name, row in METRICS.items() if own_task in row.class_names)
    if name not in known:
        raise CompressionError(
            f"task {own_task} knows the metrics {', '.join(known)}, got {name!r}; choose one of them"
        )
    row = METRICS[name]
    total = getattr(keras.metrics, row.class_names[own_task])(**row.arguments)
    for features, label in split.iterate_arrays(batch_size):
        predictions, truth = by_output(predict(features))[output], by_output(label)[output]
        # Labels come as [batch] or [batch, 1]; against [batch, 1] the former would broadcast to [batch, batch].
        total.update_state(truth.reshape(len(truth), 1), predictions)
    # F1Score gives one number per output.
    return float(np.ravel(total.result().numpy())[0])


def _task(tasks: Mapping[str, Task], metric: str) -> Task:
    output, name = parted(metric)
    if output not in tasks:
        known = ", ".join(of_output(each, name) for each in tasks)
        raise CompressionError(f"the metric of a model with these outputs must be {known}, got {metric!r}; name one")
    return tasks[output]

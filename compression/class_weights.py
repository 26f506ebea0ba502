"""How much the examples of each class count in the loss of a training."""

from collections.abc import Mapping

import numpy as np

from compression.data import Task
from compression.errors import CompressionError
from compression.outputs import SOLE
from compression.settings.reading import ClassWeights

Table = np.ndarray
"""Weight of each class, float32 `[classes]`."""


def weight_tables(
    setting: ClassWeights,
    tasks: Mapping[str, Task],
    classes: Mapping[str, int],
    counts: Mapping[str, Mapping[float, int]],
) -> dict[str, Table]:
    """The weights of the classes, by output; an output whose classes all count alike is left out.

    Args:
        setting: `ReadingSettings.class_weights`, classes by number.
        tasks: The task of each output.
        classes: How many classes the model knows, of each output that is no regression.
        counts: How often each class occurs in the train split, by output.

    Raises:
        CompressionError: A regression, or a class or an output that the model does not know.
    """
    tables = {}
    for output, one in by_output_weights(setting, tasks).items():
        if one == "none":
            continue
        place = f"class_weights of output {output}" if output else "class_weights"
        if output not in tasks:
            raise CompressionError(f"{place} must name one of the outputs {', '.join(tasks)}")
        if tasks[output] == "regression":
            raise CompressionError(f"{place} must be left out for the task regression, which has no classes")
        tables[output] = (
            balanced(counts[output], classes[output]) if one == "balanced" else _given(one, classes[output])
        )
    return tables


def by_output_weights(setting: ClassWeights, outputs: Mapping[str, object]) -> dict[str, object]:
    """One setting for each output that has one: a word, or weights by class."""
    if SOLE in outputs or isinstance(setting, str):
        return dict.fromkeys(outputs, setting)
    return dict(setting)


def balanced(counts: Mapping[float, int], classes: int) -> Table:
    """`n / (k * count)` for each of the k classes that occur, of n examples: all count alike, and 1 on average.

    Args:
        counts: How often each class occurs.
        classes: How many the model knows.

    >>> balanced({0: 1, 1: 3}, 2).tolist()  # 4 / (2 * 1) and 4 / (2 * 3)
    [2.0, 0.6666666865348816]
    """
    table = np.ones(classes, np.float32)
    for label, count in counts.items():
        table[int(label)] = sum(counts.values()) / (len(counts) * count)
    return table


def _given(weights: object, classes: int) -> Table:
    table = np.ones(classes, np.float32)
    known = {str(number) for number in range(classes)}
    for name, weight in weights.items() if isinstance(weights, Mapping) else [("", weights)]:
        if name not in known or not isinstance(weight, int | float):
            raise CompressionError(
                f"class_weights must give a number to classes from 0 to {classes - 1}, because the model knows "
                f"{classes} classes, got {name}: {weight}; correct the class or the last layer"
            )
        table[int(name)] = weight
    return table

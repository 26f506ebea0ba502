"""How far the output of every operator is from that of the float32 file, on real examples.

Each file answers on its own, so that the errors of earlier operators are in those of later ones.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from compression.data import Features, Split
from compression.edge.graph import read_graph
from compression.edge.macs import NotCounted, macs
from compression.flatbuffer import Graph, Tensor
from compression.layer_errors.pairs import Pair
from compression.predict import TFLitePredictor

EXAMPLES = 32
"""Examples at most; a layer gives many values for each, so that a few tell its error well enough."""

_MOST_MACS = 2_000_000_000
"""Multiply-accumulates at most in all: about a second of one core."""

_MOST_BYTES = 1 << 26
"""Memory of one batch at most, all tensors of the float32 file counted."""


def count_examples(tflite: bytes) -> int:
    """How many examples are looked at: fewer of a large model, and always at least one.

    Args:
        tflite: The finished file, whose shapes are all known.
    """
    try:
        each = macs(read_graph(tflite))
    except NotCounted:
        each = _MOST_MACS // 8
    return max(1, min(EXAMPLES, _MOST_MACS // max(1, each)))


def output_errors(
    content: bytes, reference: bytes, pairs: Sequence[Pair], features: Features
) -> dict[int, float | None]:
    """Relative errors by the index of an operator's first output in the finished file.

    Root mean square of the differences over root mean square of the float outputs; `None` where these are zero.

    Args:
        content: The finished file.
        reference: The float32 file.
        pairs: Operators of the first graph; the other graphs cannot be looked into.
        features: Arrays `[examples, ...]` by name.

    Raises:
        CompressionError: A file cannot be run.
    """
    ours, theirs = (TFLitePredictor(file, keep_tensors=True) for file in (content, reference))
    differences, squares = dict.fromkeys(_outputs(pairs), 0.0), dict.fromkeys(_outputs(pairs), 0.0)
    size = _batch_size(ours, pairs)
    count = len(next(iter(features.values())))
    for first in range(0, count, size):
        batch = {name: values[first : first + size] for name, values in features.items()}
        ours.answers(batch)
        theirs.answers(batch)
        for pair in pairs:
            index, other = pair.operator.outputs[0], pair.counterpart.outputs[0]
            got = real(ours.tensor(index), pair.graph.tensors[index])
            expected = real(theirs.tensor(other), pair.float_graph.tensors[other])
            with np.errstate(over="ignore", invalid="ignore"):  # of a model that diverged; it has no errors then
                differences[index] += float(np.sum((got - expected) ** 2))
                squares[index] += float(np.sum(expected**2))
    return {index: relative(differences[index], squares[index]) for index in differences}


def relative(differences: float, squares: float) -> float | None:
    """Root of the ratio of two sums of squares; `None` when it is no finite number.

    >>> relative(0.25, 4.0), relative(0.0, 0.0)
    (0.25, None)
    """
    if not squares > 0 or not math.isfinite(squares) or not math.isfinite(differences):
        return None
    return math.sqrt(differences / squares)


def errors_before(graph: Graph, errors: Mapping[int, float | None]) -> dict[int, float]:
    """The largest error among what an operator reads, by the index of its first output.

    Operators whose own error is not known hand on the largest that they read; the inputs of the graph have none.

    Args:
        graph: The first graph of the finished file.
        errors: As `output_errors` gives them.
    """
    known: dict[int, float] = {}
    before: dict[int, float] = {}
    for operator in graph.operators:
        read = max((known.get(index, 0.0) for index in operator.inputs), default=0.0)
        for index in operator.outputs:
            before[index] = read
            measured = errors.get(index)
            known[index] = read if measured is None else measured
    return before


def real(values: np.ndarray, tensor: Tensor) -> np.ndarray:
    """The real numbers, float64, that the values of a tensor stand for.

    >>> scales = np.array([0.5], np.float32), np.array([1])
    >>> real(np.array([1, 5], np.int8), Tensor("x", "int8", (2,), None, 0, *scales, 0)).tolist()
    [0.0, 2.0]
    """
    numbers = values.astype(np.float64)
    if not tensor.scales.size:
        return numbers
    shape: Any = [1] * values.ndim
    if tensor.scales.size > 1:
        shape[tensor.channel_axis] = tensor.scales.size
    zero_points = tensor.zero_points if tensor.zero_points.size == tensor.scales.size else np.zeros(tensor.scales.size)
    return (numbers - zero_points.reshape(shape)) * tensor.scales.astype(np.float64).reshape(shape)


def take(content: bytes, train: Split) -> Features:
    """The examples to look at, for a finished file."""
    return train.take_arrays(count_examples(content))[0]


def _outputs(pairs: Sequence[Pair]) -> list[int]:
    return [pair.operator.outputs[0] for pair in pairs]


def _batch_size(predictor: TFLitePredictor, pairs: Sequence[Pair]) -> int:
    # A file for one example at a time keeps the tensors of the last one alone.
    if predictor.one_at_a_time:
        return 1
    each = 4 * sum(math.prod(tensor.shape) for tensor in (pairs[0].float_graph.tensors if pairs else ()))
    return max(1, min(EXAMPLES, _MOST_BYTES // max(1, each)))

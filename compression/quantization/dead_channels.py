"""Channels without a weight, as pruning leaves them: they need a scale all the same, for their bias."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from compression.flatbuffer import Graph, read_graphs

_CHANNEL_AXES: dict[str, int] = {
    "CONV_2D": 0,
    "DEPTHWISE_CONV_2D": 3,
    "EMBEDDING_LOOKUP": 0,
    "FULLY_CONNECTED": 0,
    "TRANSPOSE_CONV": 0,
}
"""Operators whose weights, their second operand, have a scale per channel, and the axis of the channels."""


@dataclass(frozen=True)
class WeightRange:
    """The range of each channel of a weight tensor.

    Attributes:
        output: Name of the first output of the operator that reads it.
        weights: Name of the tensor.
        largest: Largest absolute weight of each channel, `[1, ..., channels, ..., 1]`; where a channel has none but
            zeros, that of the whole tensor, or 1.
    """

    output: str
    weights: str
    largest: np.ndarray


def dead_channels(tflite: bytes) -> list[WeightRange]:
    """The weight tensors of a float file that have channels without a weight."""
    return [found for graph in read_graphs(tflite) for found in _of_graph(graph)]


def _of_graph(graph: Graph) -> Iterable[WeightRange]:
    for operator in graph.operators:
        if operator.name not in _CHANNEL_AXES:
            continue
        tensor = graph.tensors[operator.inputs[1]]
        if tensor.values is None or tensor.dtype != "float32":
            continue
        axis = _CHANNEL_AXES[operator.name]
        others = tuple(index for index in range(tensor.values.ndim) if index != axis)
        largest = np.abs(tensor.values).max(axis=others, keepdims=True)
        if not largest.all():
            filled = np.where(largest == 0.0, largest.max() or 1.0, largest).astype(np.float32)
            yield WeightRange(graph.tensors[operator.outputs[0]].name, tensor.name, filled)

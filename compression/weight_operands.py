"""Which operands of which operators hold weights, and the constants behind them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from compression.flatbuffer import Graph, Operator, Tensor

_LSTM = (*range(1, 9), 16)

WEIGHT_OPERANDS: dict[str, tuple[int, ...]] = {
    "BATCH_MATMUL": (0, 1),
    "BIDIRECTIONAL_SEQUENCE_LSTM": (*_LSTM, *(17 + position for position in _LSTM), *range(40, 48)),
    "BIDIRECTIONAL_SEQUENCE_RNN": (1, 2, 5, 6, 10, 11),
    "CONV_2D": (1,),
    "CONV_3D": (1,),
    "CONV_3D_TRANSPOSE": (1,),
    "DEPTHWISE_CONV_2D": (1,),
    "EMBEDDING_LOOKUP": (1,),
    "EMBEDDING_LOOKUP_SPARSE": (4,),
    "FULLY_CONNECTED": (1,),
    "GATHER": (0,),
    "GATHER_ND": (0,),
    "LSTM": _LSTM,
    "RNN": (1, 2),
    "STABLEHLO_CONVOLUTION": (1,),
    "STABLEHLO_DOT_GENERAL": (0, 1),
    "SVDF": (1, 2),
    "TRANSPOSE_CONV": (1,),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _LSTM,
    "UNIDIRECTIONAL_SEQUENCE_RNN": (1, 2),
}
"""Operands that hold weights, in the order of TFLite's kernels; biases, peepholes and shapes are no weights.

GRU and other loops have no operator of their own: their weights stand in the FULLY_CONNECTED of the loop's graph.
"""

_LAST_AXIS = frozenset({"CONV_3D", "CONV_3D_TRANSPOSE", "DEPTHWISE_CONV_2D", "STABLEHLO_CONVOLUTION"})
"""Operators whose weights have the output channels last; the others have them first."""

_STORED_THROUGH = frozenset({"DEQUANTIZE", "DENSIFY"})
_NO_WEIGHTS = frozenset({"bool", "int32", "int64", "string"})
"""What a GATHER reads in these types is an index or a text."""


@dataclass(frozen=True)
class StoredWeight:
    """A constant tensor that operators read as weights.

    Attributes:
        graph: Number of its graph in the file.
        index: Number of the tensor in the graph.
        tensor: The constant as it is stored.
        values: Its values; 2- and 4-bit ones unpacked.
        op: The operator that reads it first.
        names: Names of the tensor itself and of what the operators that read it compute.
    """

    graph: int
    index: int
    tensor: Tensor
    values: np.ndarray
    op: str
    names: tuple[str, ...]

    @property
    def channel_axis(self) -> int:
        """The axis of the output channels."""
        if self.tensor.scales.size > 1:
            return self.tensor.channel_axis
        return self.values.ndim - 1 if self.op in _LAST_AXIS else 0

    @property
    def by_channel(self) -> np.ndarray:
        """The values as `[channels, weights of a channel]`."""
        return np.moveaxis(self.values, self.channel_axis, 0).reshape(self.values.shape[self.channel_axis], -1)


def stored_weights(graphs: list[Graph]) -> list[StoredWeight]:
    """The weight tensors of all graphs of a file, in the order in which operators read them."""
    return [weight for number, graph in enumerate(graphs) for weight in _of_graph(number, graph)]


def readers(graph: Graph) -> dict[int, list[tuple[Operator, int]]]:
    """Operators that read a tensor as weights, each with the position of the operand, by the tensor's index."""
    producers = {index: operator for operator in graph.operators for index in operator.outputs}
    found: dict[int, list[tuple[Operator, int]]] = {}
    for operator in graph.operators:
        for position in WEIGHT_OPERANDS.get(operator.name, ()):
            if position < len(operator.inputs):
                index = _constant(operator.inputs[position], producers)
                found.setdefault(index, []).append((operator, position))
    return found


def _of_graph(number: int, graph: Graph) -> Iterator[StoredWeight]:
    for index, reading in readers(graph).items():
        operators = [operator for operator, _ in reading]
        tensor = graph.tensors[index]
        if index < 0 or tensor.values is None or tensor.values.ndim == 0 or tensor.dtype in _NO_WEIGHTS:
            continue
        computed = (graph.tensors[output].name for operator in operators for output in operator.outputs)
        yield StoredWeight(number, index, tensor, tensor.values, operators[0].name, (tensor.name, *computed))


def _constant(index: int, producers: dict[int, Operator]) -> int:
    """What stands behind an operand: itself, or what a DEQUANTIZE (float16 weights) reads."""
    while index in producers and producers[index].name in _STORED_THROUGH:
        index = producers[index].inputs[0]
    return index

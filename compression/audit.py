"""What a finished TFLite file really holds: sparsity, distinct weights, float islands, operators, types.

The Keras model is no witness: the converter can undo what training achieved (per-channel quantization of dense layers
multiplies distinct values, for one).
"""

import gzip
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from compression.errors import CompressionError
from compression.flatbuffer import Graph, Operator, Tensor, read_graphs

_WEIGHT_OPERANDS: dict[str, tuple[int, ...]] = {
    "CONV_2D": (1,),
    "DEPTHWISE_CONV_2D": (1,),
    "FULLY_CONNECTED": (1,),
    "TRANSPOSE_CONV": (1,),
    "CONV_3D": (1,),
    "CONV_3D_TRANSPOSE": (1,),
    "EMBEDDING_LOOKUP": (1,),
    "GATHER": (0,),
    "BATCH_MATMUL": (0, 1),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": tuple(range(1, 9)),
    "UNIDIRECTIONAL_SEQUENCE_RNN": (1, 2),
    "SVDF": (1, 2),
}
"""Operands that hold weights; biases and shape constants are not weights."""

_CASTS = frozenset({"QUANTIZE", "DEQUANTIZE"})


@dataclass(frozen=True)
class WeightTensor:
    """One constant weight tensor.

    Attributes:
        name: The converter's name for it.
        op: Operator that uses it first.
        dtype: Stored type.
        shape: Stored shape.
        sparsity: Share of zeros in [0, 1]; a quantized zero is the zero point.
        distinct: Number of distinct stored values.
    """

    name: str
    op: str
    dtype: str
    shape: tuple[int, ...]
    sparsity: float
    distinct: int


@dataclass(frozen=True)
class Audit:
    """The structure of a TFLite file.

    Attributes:
        size_bytes: The file.
        gzip_bytes: The file after gzip -9; pruning shows here and not in `size_bytes`.
        sparsity: Share of zeros over all elements of all weight tensors, in [0, 1]; 0 without weights.
        distinct_weights: Most distinct stored values in any weight tensor.
        weights: One row per weight tensor.
        operators: How often each operator occurs, conversions included.
        float_operators: Operators that compute in float although the model computes in integers elsewhere.
        custom_operators: Operators outside TFLite's own, `Flex...` ones included; LiteRT alone cannot run them.
        input_dtypes: Types of the inputs, in order.
        output_dtypes: Types of the outputs, in order.
    """

    size_bytes: int
    gzip_bytes: int
    sparsity: float
    distinct_weights: int
    weights: tuple[WeightTensor, ...]
    operators: dict[str, int]
    float_operators: tuple[str, ...]
    custom_operators: tuple[str, ...]
    input_dtypes: tuple[str, ...]
    output_dtypes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def audit(tflite: bytes) -> Audit:
    """Reads the structure of a TFLite file.

    Raises:
        CompressionError: When the bytes are no TFLite file.
    """
    graphs = read_graphs(tflite)
    if not graphs:
        raise CompressionError("a TFLite file must hold a graph, got none; convert the model again")
    operators = [operator for graph in graphs for operator in graph.operators]
    rows = [row for graph in graphs for row in _weights(graph)]
    elements = [int(np.prod(row.shape)) for row in rows]
    zeros = sum(row.sparsity * count for row, count in zip(rows, elements, strict=True))
    return Audit(
        size_bytes=len(tflite),
        gzip_bytes=len(gzip.compress(tflite, compresslevel=9, mtime=0)),
        sparsity=zeros / max(1, sum(elements)),
        distinct_weights=max((row.distinct for row in rows), default=0),
        weights=tuple(rows),
        operators=dict(sorted(Counter(operator.name for operator in operators).items())),
        float_operators=tuple(name for graph in graphs for name in _float_islands(graph)),
        custom_operators=tuple(sorted({operator.name for operator in operators if operator.custom})),
        input_dtypes=tuple(graphs[0].tensors[index].dtype for index in graphs[0].inputs),
        output_dtypes=tuple(graphs[0].tensors[index].dtype for index in graphs[0].outputs),
    )


def _weights(graph: Graph) -> list[WeightTensor]:
    producers = {index: operator for operator in graph.operators for index in operator.outputs}
    rows: dict[int, WeightTensor] = {}
    for operator in graph.operators:
        for position in _WEIGHT_OPERANDS.get(operator.name, ()):
            if position >= len(operator.inputs):
                continue
            index = _stored(operator.inputs[position], graph, producers)
            if index is not None and index not in rows:
                rows[index] = _row(graph.tensors[index], operator.name)
    return list(rows.values())


def _stored(index: int, graph: Graph, producers: dict[int, Operator]) -> int | None:
    """The constant behind an operand: itself, or what a DEQUANTIZE (float16 weights) reads; `None` for activations."""
    producer = producers.get(index)
    if producer is not None and producer.name in ("DEQUANTIZE", "DENSIFY"):
        index = producer.inputs[0]
    return index if index >= 0 and graph.tensors[index].values is not None else None


def _row(tensor: Tensor, op: str) -> WeightTensor:
    assert tensor.values is not None
    values = tensor.values
    zero: Any = tensor.zero_points_like(values)
    return WeightTensor(
        name=tensor.name,
        op=op,
        dtype=tensor.dtype,
        shape=tensor.shape,
        sparsity=float(np.mean(values == zero)) if values.size else 0.0,
        distinct=int(np.unique(values).size),
    )


def _float_islands(graph: Graph) -> list[str]:
    """Float operators of a graph that computes in integers too.

    Conversions are no computing. A dynamic-range model has int8 weights yet float activations everywhere, so what
    counts as integer computing is an integer activation that goes into and comes out of an operator.
    """
    computing = [operator for operator in graph.operators if operator.name not in _CASTS]
    integers = [operator for operator in computing if _activation_dtypes(operator, graph) & {"int8", "uint8", "int16"}]
    if not integers:
        return []
    return [
        f"{operator.name}: {graph.tensors[operator.outputs[0]].name}"
        for operator in computing
        if any(graph.tensors[index].dtype in ("float32", "float16") for index in operator.outputs)
    ]


def _activation_dtypes(operator: Operator, graph: Graph) -> set[str]:
    return {graph.tensors[index].dtype for index in operator.outputs}

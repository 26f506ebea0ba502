"""What a finished TFLite file really holds: weights, operators, float islands, types.

The Keras model is no witness: the converter can undo what training achieved (per-channel quantization of dense layers
multiplies distinct values, for one).
"""

import gzip
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from compression.errors import CompressionError
from compression.flatbuffer import Graph, Operator, Tensor, read_graphs
from compression.kernels import Kernel
from compression.locate import locate
from compression.sizes import entropy_bytes
from compression.weight_operands import StoredWeight, stored_weights

_CASTS = frozenset({"QUANTIZE", "DEQUANTIZE"})
_FLEX = "Flex"


@dataclass(frozen=True)
class Quantization:
    """How the integers of a tensor stand for real numbers.

    Attributes:
        per: `tensor`: one scale; `channel`: one for every output channel.
        scales: Number of scales.
        min_scale: Smallest step.
        max_scale: Largest step; a channel whose weights are all zero may have any.
    """

    per: str
    scales: int
    min_scale: float
    max_scale: float


@dataclass(frozen=True)
class WeightTensor:
    """One constant weight tensor.

    Attributes:
        name: The converter's name for it.
        op: Operator that uses it first.
        dtype: Stored type.
        shape: Stored shape.
        elements: Number of weights.
        size_bytes: What they take in the file.
        sparsity: Share of zeros in [0, 1]; a quantized zero is the zero point.
        distinct: Number of distinct stored values.
        distinct_per_channel: The same within one output channel, of the channel that has most.
        entropy_bytes: Least bytes of the weights when each has a code word of its own; see `compression.sizes`.
        quantization: Scales; `None` for float weights.
        kernels: The Keras kernels that it holds, `[layer, weight]` each; several when the converter merged equal ones,
            empty when none was found or none was given to look for.
        stored: The tensor itself; not part of `to_dict`.
    """

    name: str
    op: str
    dtype: str
    shape: tuple[int, ...]
    elements: int
    size_bytes: int
    sparsity: float
    distinct: int
    distinct_per_channel: int
    entropy_bytes: int
    quantization: Quantization | None
    kernels: tuple[tuple[str, str], ...]
    stored: StoredWeight = field(repr=False, compare=False)

    @property
    def zeros(self) -> np.ndarray:
        """Which weights are zero, in the stored shape."""
        values = self.stored.values
        zero_points: Any = self.stored.tensor.zero_points_like(values)
        return np.asarray(values == zero_points)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "stored"}
        return plain | {"quantization": asdict(self.quantization) if self.quantization else None}


@dataclass(frozen=True)
class Audit:
    """The structure of a TFLite file.

    Attributes:
        size_bytes: The file.
        gzip_bytes: The file after gzip -9; pruning shows here and not in `size_bytes`.
        entropy_bytes: Least bytes of all weights, as in `WeightTensor`; the rest of the file is not in it.
        sparsity: Share of zeros over all elements of all weight tensors, in [0, 1]; 0 without weights.
        distinct_weights: Most distinct stored values in any weight tensor.
        weights: One row per weight tensor.
        operators: How often each operator occurs, conversions included.
        operator_versions: The highest version of each operator; a runtime must know it.
        float_operators: Operators that compute in float although the model computes in integers elsewhere.
        custom_operators: Operators outside TFLite's own; LiteRT alone cannot run them.
        flex_operators: Those among them that need TensorFlow's own kernels (`Flex...`).
        input_dtypes: Types of the inputs, in order.
        output_dtypes: Types of the outputs, in order.
    """

    size_bytes: int
    gzip_bytes: int
    entropy_bytes: int
    sparsity: float
    distinct_weights: int
    weights: tuple[WeightTensor, ...]
    operators: dict[str, int]
    operator_versions: dict[str, int]
    float_operators: tuple[str, ...]
    custom_operators: tuple[str, ...]
    flex_operators: tuple[str, ...]
    input_dtypes: tuple[str, ...]
    output_dtypes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        return plain | {"weights": [row.to_dict() for row in self.weights]}


def audit(tflite: bytes, kernels: Sequence[Kernel] = ()) -> Audit:
    """Reads the structure of a TFLite file.

    Args:
        tflite: The flatbuffer.
        kernels: Kernels of the Keras model that was converted; tensors that hold one of them say so.

    Raises:
        CompressionError: When the bytes are no TFLite file.
    """
    graphs = read_graphs(tflite)
    if not graphs:
        raise CompressionError("a TFLite file must hold a graph, got none; convert the model again")
    operators = [operator for graph in graphs for operator in graph.operators]
    stored = stored_weights(graphs)
    rows = [_row(weight, found) for weight, found in zip(stored, locate(kernels, stored), strict=True)]
    zeros = sum(row.zeros.sum() for row in rows)
    custom = sorted({operator.name for operator in operators if operator.custom})
    return Audit(
        size_bytes=len(tflite),
        gzip_bytes=len(gzip.compress(tflite, compresslevel=9, mtime=0)),
        entropy_bytes=entropy_bytes([weight.values for weight in stored]),
        sparsity=float(zeros) / max(1, sum(row.elements for row in rows)),
        distinct_weights=max((row.distinct for row in rows), default=0),
        weights=tuple(rows),
        operators=dict(sorted(Counter(operator.name for operator in operators).items())),
        operator_versions=_versions(operators),
        float_operators=tuple(name for graph in graphs for name in _float_islands(graph)),
        custom_operators=tuple(custom),
        flex_operators=tuple(name for name in custom if name.startswith(_FLEX)),
        input_dtypes=tuple(graphs[0].tensors[index].dtype for index in graphs[0].inputs),
        output_dtypes=tuple(graphs[0].tensors[index].dtype for index in graphs[0].outputs),
    )


def _versions(operators: list[Operator]) -> dict[str, int]:
    versions: dict[str, int] = {}
    for operator in sorted(operators, key=lambda operator: (operator.name, operator.version)):
        versions[operator.name] = operator.version
    return versions


def _row(weight: StoredWeight, kernels: tuple[tuple[str, str], ...]) -> WeightTensor:
    tensor, values = weight.tensor, weight.values
    zero: Any = tensor.zero_points_like(values)
    return WeightTensor(
        name=tensor.name,
        op=weight.op,
        dtype=tensor.dtype,
        shape=tensor.shape,
        elements=values.size,
        size_bytes=tensor.size_bytes,
        sparsity=float(np.mean(values == zero)),
        distinct=int(np.unique(values).size),
        distinct_per_channel=max(int(np.unique(channel).size) for channel in weight.by_channel),
        entropy_bytes=entropy_bytes([values]),
        quantization=_quantization(tensor),
        kernels=kernels,
        stored=weight,
    )


def _quantization(tensor: Tensor) -> Quantization | None:
    scales = tensor.scales
    if not scales.size:
        return None
    per = "channel" if scales.size > 1 else "tensor"
    return Quantization(per, scales.size, float(scales.min()), float(scales.max()))


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

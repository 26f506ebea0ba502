"""Reading a TFLite flatbuffer with the schema that TensorFlow ships."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from compression.errors import CompressionError


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}


_TENSOR_TYPES = {code: name.lower() for code, name in _names(schema.TensorType).items()}
_OPERATORS = _names(schema.BuiltinOperator)
_PACKED_BITS = {"int4": 4, "uint4": 4, "int2": 2}


@dataclass(frozen=True)
class Tensor:
    """A tensor of a graph.

    Attributes:
        name: The converter's name.
        dtype: `float32`, `int8`, ...
        shape: Stored shape; a varying batch is stored as 1.
        values: The constant, in its stored type (2- and 4-bit values unpacked to bytes); `None` for activations.
        size_bytes: What the constant takes in the file; 0 for activations.
        scales: One per tensor or per channel; empty without quantization.
        zero_points: As many.
        channel_axis: The axis that `scales` and `zero_points` run along.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    values: np.ndarray | None
    size_bytes: int
    scales: np.ndarray
    zero_points: np.ndarray
    channel_axis: int

    def zero_points_like(self, values: np.ndarray) -> np.ndarray:
        """The stored value of zero, in a shape that broadcasts against `values`."""
        if self.zero_points.size <= 1:
            return self.zero_points if self.zero_points.size else np.zeros(1, np.int64)
        shape = [1] * values.ndim
        shape[self.channel_axis] = self.zero_points.size
        return self.zero_points.reshape(shape)


@dataclass(frozen=True)
class Operator:
    """An operator of a graph: name, whether it is custom, version, and indices of its tensors (-1: left out)."""

    name: str
    custom: bool
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """A subgraph: tensors, operators in order of execution, and indices of its inputs and outputs."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_graphs(tflite: bytes) -> list[Graph]:
    """The graphs of a TFLite file; the first is the one that runs.

    Raises:
        CompressionError: When the bytes are no TFLite file.
    """
    if tflite[4:8] != b"TFL3":
        raise CompressionError(f"a TFLite file must bear the mark TFL3 at byte 4, got {tflite[4:8]!r}; check the path")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite, 0))
    return [
        Graph(
            tensors=tuple(_tensor(tensor, model.buffers) for tensor in graph.tensors),
            operators=tuple(_operator(operator, model.operatorCodes) for operator in (graph.operators or [])),
            inputs=_indices(graph.inputs),
            outputs=_indices(graph.outputs),
        )
        for graph in model.subgraphs
    ]


def _indices(values: Iterable[int] | None) -> tuple[int, ...]:
    return () if values is None else tuple(int(value) for value in values)


def _operator(operator: schema.OperatorT, codes: list[schema.OperatorCodeT]) -> Operator:
    code = codes[operator.opcodeIndex]
    name, custom = _operator_name(code)
    return Operator(name, custom, int(code.version), _indices(operator.inputs), _indices(operator.outputs))


def _operator_name(code: schema.OperatorCodeT) -> tuple[str, bool]:
    # Files from before schema 3a keep the code in the deprecated byte.
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    if number == schema.BuiltinOperator.CUSTOM:
        return (code.customCode.decode() if code.customCode else "CUSTOM"), True
    return _OPERATORS.get(number, f"BUILTIN_{number}"), False


def _tensor(tensor: schema.TensorT, buffers: list[schema.BufferT]) -> Tensor:
    dtype = _TENSOR_TYPES[tensor.type]
    shape = _indices(tensor.shape)
    quantization = tensor.quantization
    data = buffers[tensor.buffer].data
    return Tensor(
        name=tensor.name.decode() if tensor.name else "",
        dtype=dtype,
        shape=shape,
        values=_values(data, dtype, shape),
        size_bytes=0 if data is None else len(data),
        scales=_numbers(quantization and quantization.scale, np.float32),
        zero_points=_numbers(quantization and quantization.zeroPoint, np.int64),
        channel_axis=quantization.quantizedDimension if quantization else 0,
    )


def _numbers(values: Sequence[float] | None, dtype: type) -> np.ndarray:
    return np.zeros(0, dtype) if values is None else np.asarray(values, dtype)


def _values(data: Sequence[int] | None, dtype: str, shape: tuple[int, ...]) -> np.ndarray | None:
    if data is None or len(data) == 0:
        return None
    raw = np.asarray(data, np.uint8)
    if dtype in _PACKED_BITS:
        return _unpacked(raw, _PACKED_BITS[dtype], int(np.prod(shape)), signed=dtype.startswith("int")).reshape(shape)
    try:
        return np.frombuffer(raw.tobytes(), np.dtype(dtype)).reshape(shape)
    except (TypeError, ValueError):
        return None  # strings, resources and sparse storage: not arrays of numbers


def _unpacked(raw: np.ndarray, bits: int, count: int, *, signed: bool) -> np.ndarray:
    """Values of a few bits each, the lowest bits first, as bytes."""
    parts = [(raw >> shift) & (2**bits - 1) for shift in range(0, 8, bits)]
    values = np.stack(parts, axis=-1).reshape(-1)[:count]
    if not signed:
        return values
    # Two's complement: the upper half of the codes stands for negative numbers.
    return np.where(values >= 2 ** (bits - 1), values.astype(np.int16) - 2**bits, values).astype(np.int8)

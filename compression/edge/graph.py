"""The graph of a TFLite file as the edge check needs it: shapes, types and operators, without the weights' values.

Reads with the schema that LiteRT ships: the check's process must not pay for importing TensorFlow.
"""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from ai_edge_litert import schema_py_generated as schema

_MARK = b"TFL3"


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}


_OPERATORS = _names(schema.BuiltinOperator)
_DTYPES = {code: name.lower() for code, name in _names(schema.TensorType).items()}
_BITS = {
    **dict.fromkeys(("int8", "uint8", "bool"), 8),
    **dict.fromkeys(("int16", "uint16", "float16", "bfloat16"), 16),
    **dict.fromkeys(("float32", "int32", "uint32"), 32),
    **dict.fromkeys(("float64", "int64", "uint64", "complex64"), 64),
    "complex128": 128,
    "int4": 4,
    "int2": 2,
}


@dataclass(frozen=True)
class Tensor:
    """A tensor.

    Attributes:
        name: The converter's name.
        dtype: `float32`, `int8`, ...
        shape: Stored dimensions; a varying batch is stored as 1.
        constant: Whether its values stand in the file.
        variable: Whether it keeps its values between invocations.
        dynamic: Whether a dimension other than the batch is known at run time only.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    constant: bool = False
    variable: bool = False
    dynamic: bool = False

    @property
    def elements(self) -> int:
        """Number of elements; 1 for a scalar."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int | None:
        """Bytes in memory; `None` for strings, resources and shapes known at run time only."""
        bits = _BITS.get(self.dtype)
        return None if bits is None or self.dynamic else -(-self.elements * bits // 8)


@dataclass(frozen=True)
class Operator:
    """An operator: its name, whether it is custom, and indices of its tensors (-1: left out)."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    custom: bool = False


@dataclass(frozen=True)
class Graph:
    """The graph that runs first.

    Attributes:
        tensors: All tensors.
        operators: In order of execution.
        inputs: Indices of the model's inputs.
        outputs: Indices of the model's outputs.
        operator_counts: How often each operator occurs in all graphs of the file, those of control flow included.
        custom_operators: Names of the custom ones among them, sorted.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    operator_counts: dict[str, int]
    custom_operators: tuple[str, ...]

    def dtypes(self, indices: tuple[int, ...]) -> tuple[str, ...]:
        """Types of some tensors."""
        return tuple(self.tensors[index].dtype for index in indices)


def read_graph(tflite: bytes) -> Graph:
    """The graph of a TFLite file.

    Raises:
        ValueError: When the bytes do not bear TFLite's mark or hold no graph. A damaged file can raise about anything.
    """
    if tflite[4:8] != _MARK:
        raise ValueError(f"a TFLite file must bear the mark TFL3 at byte 4, got {tflite[4:8]!r}")
    model = schema.Model.GetRootAs(tflite, 0)
    if not model.SubgraphsLength():
        raise ValueError("a TFLite file must hold a graph, got none")
    codes = [_operator_name(model.OperatorCodes(i)) for i in range(model.OperatorCodesLength())]
    graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
    operators = [_operators(graph, codes) for graph in graphs]
    everything = [operator for part in operators for operator in part]
    return Graph(
        tensors=tuple(_tensor(graphs[0].Tensors(i), model) for i in range(graphs[0].TensorsLength())),
        operators=operators[0],
        inputs=tuple(graphs[0].Inputs(i) for i in range(graphs[0].InputsLength())),
        outputs=tuple(graphs[0].Outputs(i) for i in range(graphs[0].OutputsLength())),
        operator_counts=dict(sorted(Counter(operator.name for operator in everything).items())),
        custom_operators=tuple(sorted({operator.name for operator in everything if operator.custom})),
    )


def _operator_name(code: Any) -> tuple[str, bool]:  # noqa: ANN401 - the schema is not typed
    # Files from before schema 3a keep the code in the deprecated byte.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    if number == schema.BuiltinOperator.CUSTOM:
        return (code.CustomCode() or b"CUSTOM").decode(), True
    return _OPERATORS.get(number, f"BUILTIN_{number}"), False


def _operators(graph: Any, codes: list[tuple[str, bool]]) -> tuple[Operator, ...]:  # noqa: ANN401
    found = []
    for position in range(graph.OperatorsLength()):
        operator = graph.Operators(position)
        name, custom = codes[operator.OpcodeIndex()]
        inputs = tuple(operator.Inputs(i) for i in range(operator.InputsLength()))
        outputs = tuple(operator.Outputs(i) for i in range(operator.OutputsLength()))
        found.append(Operator(name, inputs, outputs, custom))
    return tuple(found)


def _tensor(tensor: Any, model: Any) -> Tensor:  # noqa: ANN401
    signature = [tensor.ShapeSignature(i) for i in range(tensor.ShapeSignatureLength())]
    buffer = model.Buffers(tensor.Buffer())
    return Tensor(
        name=(tensor.Name() or b"").decode(),
        dtype=_DTYPES.get(tensor.Type(), f"type_{tensor.Type()}"),
        shape=tuple(tensor.Shape(i) for i in range(tensor.ShapeLength())),
        # Files over 2 GB keep the values behind the flatbuffer and say where.
        constant=buffer.DataLength() > 0 or buffer.Offset() > 1,
        variable=bool(tensor.IsVariable()),
        dynamic=any(size < 0 for size in signature[1:]),
    )

"""Which operators of a converted graph compute which layer, and how precisely."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from compression.flatbuffer import Graph, Operator, read_graphs

_CASTS = frozenset({"QUANTIZE", "DEQUANTIZE"})
_NO_REALS = frozenset({"bool", "int32", "int64"})
_WEIGHT_TYPES = frozenset({"float32", "float16", "int8", "int4"})

STATEFUL_OPERATORS = frozenset({"SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN"})
"""Operators that remember the example before, until the interpreter's variables are reset."""

COPYING_OPERATORS = frozenset(
    {
        "EXPAND_DIMS",
        "GATHER",
        "MAX_POOL_2D",
        "PACK",
        "PAD",
        "RESHAPE",
        "SLICE",
        "SPLIT",
        "SPLIT_V",
        "SQUEEZE",
        "STRIDED_SLICE",
        "TRANSPOSE",
        "UNPACK",
    }
)
"""Operators whose results are copies of their inputs: they take over their input's scale and round nothing."""


INT4_OPERATORS: dict[str, frozenset[str]] = {
    "int4": frozenset({"CONV_2D", "FULLY_CONNECTED", "EMBEDDING_LOOKUP", "BATCH_MATMUL"}),
    "dynamic": frozenset({"CONV_2D", "FULLY_CONNECTED", "EMBEDDING_LOOKUP"}),
    "int8": frozenset({"CONV_2D", "FULLY_CONNECTED"}),
    "int8_io": frozenset({"CONV_2D", "FULLY_CONNECTED"}),
}
"""Mode -> operators that LiteRT computes with 4-bit weights; depthwise and transposed convolutions it does not."""


@dataclass(frozen=True)
class LayerOperator:
    """One operator that computes, conversions between types left out.

    Attributes:
        op: Its name, `CONV_2D` for example.
        outputs: Names of its output tensors; the first identifies it.
        layers: The Keras layers that it computes, the one that its weights belong to first. A fused activation or
            normalization is one of them. Empty when the converter lost the name, as of a fused LSTM.
        weights: Stored type of its weights; `None` for an operator without.
        result: Type of its first output.
    """

    op: str
    outputs: tuple[str, ...]
    layers: tuple[str, ...]
    weights: str | None
    result: str

    @property
    def output(self) -> str:
        """Name of its first output tensor."""
        return self.outputs[0]

    @property
    def owner(self) -> str:
        """The layer it belongs to, or its own name when that is unknown."""
        return self.layers[0] if self.layers else self.output

    @property
    def precision(self) -> str:
        """What it computes in: a name of a precision, `float16`, or the type itself where it computes no reals.

        Weights alone tell where activations are float: `int8` with a float result is int8 weights.
        """
        if self.result == "int16":
            return "int16x8"
        if self.weights == "int4":
            return "int4"
        return self.weights if self.weights and self.result == "float32" else self.result


def layer_operators(tflite: bytes, layers: Collection[str]) -> list[LayerOperator]:
    """The operators of a file in order, those inside loops included.

    Args:
        tflite: A flatbuffer of TensorFlow's converter, quantized afterwards or not.
        layers: Names of the model's layers.
    """
    return [found for graph in read_graphs(tflite) for found in _of_graph(graph, layers)]


def layer_precisions(operators: Iterable[LayerOperator]) -> list[dict[str, object]]:
    """What each layer is computed in, as plain values: `layer`, `precision`, `operators`; indices are left out."""
    rows: dict[tuple[str, str], list[str]] = {}
    for operator in operators:
        if operator.result not in _NO_REALS:
            rows.setdefault((operator.owner, operator.precision), []).append(operator.op)
    return [
        {"layer": owner, "precision": precision, "operators": sorted(set(ops))}
        for (owner, precision), ops in rows.items()
    ]


def _of_graph(graph: Graph, layers: Collection[str]) -> Iterator[LayerOperator]:
    producers = {index: operator for operator in graph.operators for index in operator.outputs}
    known: dict[int, tuple[str, ...]] = {}
    for operator in graph.operators:
        outputs = tuple(graph.tensors[index].name for index in operator.outputs)
        weight = _weight(operator, graph, producers)
        names = outputs if weight is None else (graph.tensors[weight].name, *outputs)
        found = _layers_in(names, layers) or _inherited(operator, known)
        known |= dict.fromkeys(operator.outputs, found)
        if operator.name not in _CASTS and operator.outputs:
            stored = graph.tensors[weight].dtype if weight is not None else None
            yield LayerOperator(operator.name, outputs, found, stored, graph.tensors[operator.outputs[0]].dtype)


def _weight(operator: Operator, graph: Graph, producers: dict[int, Operator]) -> int | None:
    """The largest constant that is no index, no shape and no bias; also behind a conversion to float."""
    found = []
    for position, index in enumerate(operator.inputs):
        while index in producers and producers[index].name == "DEQUANTIZE":
            index = producers[index].inputs[0]
        if index < 0:
            continue
        tensor = graph.tensors[index]
        # A bias is the third operand; a vector beside an activation (ADD, MUL) is a constant, not a kernel.
        if tensor.values is not None and tensor.dtype in _WEIGHT_TYPES and tensor.values.ndim > 1 and position != 2:
            found.append((tensor.values.size, -position, index))
    return max(found)[2] if found else None


def _layers_in(names: Sequence[str], layers: Collection[str]) -> tuple[str, ...]:
    """Layers on the paths `model/layer/operation` that names consist of; the innermost, listed last, comes first."""
    found: list[str] = []
    for name in names:
        paths = reversed(name.split(";"))
        hits = [layer for path in paths if (layer := _layer_on(path, layers))]
        found += [layer for layer in hits if layer not in found]
    return tuple(dict.fromkeys(found))


def _layer_on(path: str, layers: Collection[str]) -> str | None:
    # The first part is the model's own name.
    return next((part for part in path.split("/")[1:] if part in layers), None)


def _inherited(operator: Operator, known: dict[int, tuple[str, ...]]) -> tuple[str, ...]:
    """The softmax of a dense layer is often named after nothing but the output: it belongs to what it reads."""
    sources = [known[index] for index in operator.inputs if known.get(index)]
    return sources[0][:1] if sources else ()

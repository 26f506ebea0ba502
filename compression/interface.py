"""What a program that runs a TFLite file must know of it: inputs and outputs in the file's own order, and operators."""

from collections.abc import Mapping
from dataclasses import dataclass

from ai_edge_litert import schema_py_generated as schema

from compression.raw_inputs.editing import ports, unpack

_OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}


@dataclass(frozen=True)
class Interface:
    """A file as a program sees it.

    Attributes:
        inputs: The signature's names of the inputs, in the order of the graph: position 0 is the interpreter's input 0.
        outputs: Likewise.
        operators: Builtin operators, each once, sorted.
        custom: Custom operators, each once, sorted.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operators: tuple[str, ...]
    custom: tuple[str, ...]


def read_interface(tflite: bytes) -> Interface:
    """Reads a file.

    Raises:
        CompressionError: It is no TFLite file, or has no signature `serving_default`.
    """
    model = unpack(tflite)
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    # Old files hold the number of an operator in one byte, new ones in four; the larger is the true one.
    codes = [(max(code.builtinCode, code.deprecatedBuiltinCode), code.customCode) for code in model.operatorCodes]
    used = {codes[operator.opcodeIndex] for each in model.subgraphs for operator in each.operators or []}
    return Interface(
        inputs=_ordered(graph.inputs, ports(signature.inputs)),
        outputs=_ordered(graph.outputs, ports(signature.outputs)),
        operators=tuple(sorted(_OPERATORS[code] for code, custom in used if custom is None)),
        custom=tuple(sorted(custom.decode() for _, custom in used if custom is not None)),
    )


def _ordered(indices: list[int], named: Mapping[str, int]) -> tuple[str, ...]:
    names = {index: name for name, index in named.items()}
    return tuple(names[int(index)] for index in indices)

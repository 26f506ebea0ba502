"""Two TFLite files as one: what the first computes becomes what the second reads. Nothing is converted again."""

from collections.abc import Collection

from ai_edge_litert import schema_py_generated as schema

from compression.errors import CompressionError
from compression.raw_inputs.editing import (
    add_buffer,
    drop_unused_tensors,
    entries,
    keep_outputs,
    operator_code,
    pack,
    ports,
    renumber,
    unpack,
)

_RUNTIME_VERSION = b"min_runtime_version"
_KNOWN_METADATA = frozenset({_RUNTIME_VERSION, b"CONVERSION_METADATA", b"reduced_precision_support"})
"""Metadata that names no tensor and no operator by number, so that it stays true when these are numbered anew."""

_INNER_GRAPHS: dict[str, tuple[str, ...]] = {
    "IfOptionsT": ("thenSubgraphIndex", "elseSubgraphIndex"),
    "WhileOptionsT": ("condSubgraphIndex", "bodySubgraphIndex"),
}
"""Options of operators that run other graphs of the file -> where the numbers of these graphs stand."""

_STATEFUL = frozenset({"CALL_ONCE", "HASHTABLE", "VAR_HANDLE"})
"""Operators whose memory is found by a name that the other file may use too."""

_QUANTIZED = {schema.TensorType.INT8: "int8", schema.TensorType.UINT8: "uint8"}
_TYPES = {number: name.lower() for name, number in vars(schema.TensorType).items() if not name.startswith("_")}
_OPERATORS = {number: name for name, number in vars(schema.BuiltinOperator).items() if not name.startswith("_")}


def prepend(front: bytes, model: bytes) -> bytes:
    """Puts one model in front of another, in one graph.

    The result computes bit for bit what the two compute one after the other. Its inputs are the front's, in the order
    of their names; its outputs are the model's.

    Args:
        front: A TFLite file whose outputs bear the names, types and shapes of the model's inputs; `fit` makes it so.
        model: Any TFLite file, quantized or not.

    Returns:
        The flatbuffer; the same files give the same bytes.

    Raises:
        CompressionError: Outputs and inputs do not fit, or a file holds what cannot be moved to another place.
    """
    first, last = unpack(front), unpack(model)
    _refuse_unknown_metadata(last)
    _refuse_state(first)
    given, wanted = ports(first.signatureDefs[0].outputs), ports(last.signatureDefs[0].inputs)
    _check_fit(first, given, last, wanted)
    _take_graphs(first, last)
    before, graph = first.subgraphs[0], last.subgraphs[0]
    moved = {number: len(graph.tensors) + number for number in range(len(before.tensors))}
    renumber(before, moved)
    for number in set(range(len(before.tensors))) - set(ports(first.signatureDefs[0].inputs).values()):
        before.tensors[number].name = b"transform/" + (before.tensors[number].name or b"")
    passed = {index: moved[given[name]] for name, index in wanted.items()}
    renumber(graph, passed)
    graph.tensors = [*graph.tensors, *before.tensors]
    graph.operators = [*(before.operators or []), *(graph.operators or [])]
    signature = last.signatureDefs[0]
    signature.inputs = entries({name: moved[index] for name, index in ports(first.signatureDefs[0].inputs).items()})
    signature.outputs = entries({n: passed.get(index, index) for n, index in ports(signature.outputs).items()})
    graph.inputs = [entry.tensorIndex for entry in signature.inputs]
    drop_unused_tensors(last)
    _raise_runtime_version(last, first)
    return pack(last)


def fit(front: bytes, model: bytes) -> bytes:
    """Makes of a float model one that `prepend` can put in front of another.

    What the other model does not read is left out, with the inputs that only this needs; where it reads integers with
    a scale, a QUANTIZE operator is added.

    Args:
        front: A TFLite file among whose outputs are the names of the model's inputs.
        model: A TFLite file.

    Returns:
        The flatbuffer; the same files give the same bytes.

    Raises:
        CompressionError: An input is missing among the outputs, or is an integer of another type than int8 or uint8.
    """
    first, last = unpack(front), unpack(model)
    wanted = {name: last.subgraphs[0].tensors[index] for name, index in ports(last.signatureDefs[0].inputs).items()}
    _check_names(ports(first.signatureDefs[0].outputs), wanted)
    keep_outputs(first, wanted)
    outputs = ports(first.signatureDefs[0].outputs)
    for name, tensor in wanted.items():
        if not _has_scale(tensor):
            continue
        if tensor.type not in _QUANTIZED:
            raise CompressionError(
                f"a quantized input must be {' or '.join(_QUANTIZED.values())} to be fed by a transform, got "
                f"{_TYPES[tensor.type]} for {name!r}; choose a mode with float inputs, such as int8 or int16x8"
            )
        outputs[name] = _append_quantize(first, name, outputs[name], tensor)
    first.signatureDefs[0].outputs = entries(outputs)
    first.subgraphs[0].outputs = [entry.tensorIndex for entry in first.signatureDefs[0].outputs]
    return pack(first)


def operator_names(tflite: bytes) -> list[str]:
    """Names of the operators of all graphs of a file, in the order in which they run."""
    model = unpack(tflite)
    return [_name(model, operator) for graph in model.subgraphs for operator in graph.operators or []]


def _has_scale(tensor: schema.TensorT) -> bool:
    quantization = tensor.quantization
    return quantization is not None and quantization.scale is not None and len(quantization.scale) > 0


def _append_quantize(model: schema.ModelT, name: str, source: int, target: schema.TensorT) -> int:
    """Adds QUANTIZE from a float tensor to a new one of `target`'s type and scale; returns the new one's number."""
    graph = model.subgraphs[0]
    tensor = schema.TensorT()
    for field in ("type", "shape", "shapeSignature", "hasRank", "quantization"):
        setattr(tensor, field, getattr(target, field))
    tensor.name, tensor.buffer = name.encode(), add_buffer(model)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    operator = schema.OperatorT()
    operator.opcodeIndex = operator_code(model, code)
    operator.inputs, operator.outputs = [source], [len(graph.tensors)]
    operator.builtinOptionsType = schema.BuiltinOptions.QuantizeOptions
    operator.builtinOptions = schema.QuantizeOptionsT()
    graph.tensors = [*graph.tensors, tensor]
    graph.operators = [*(graph.operators or []), operator]
    return len(graph.tensors) - 1


def _refuse_unknown_metadata(model: schema.ModelT) -> None:
    unknown = [entry.name.decode() for entry in model.metadata or [] if entry.name not in _KNOWN_METADATA]
    if unknown:
        raise CompressionError(
            f"the model's metadata must be {', '.join(sorted(name.decode() for name in _KNOWN_METADATA))}, got "
            f"{', '.join(unknown)}, which may name tensors by numbers that change; convert it without"
        )


def _refuse_state(front: schema.ModelT) -> None:
    operators = [_name(front, operator) for graph in front.subgraphs for operator in graph.operators or []]
    stateful = sorted(_STATEFUL.intersection(operators))
    if stateful:
        raise CompressionError(
            f"a transform inside of a TFLite file must keep nothing between calls, got {', '.join(stateful)}; look "
            "tables up outside of the model"
        )


def _name(model: schema.ModelT, operator: schema.OperatorT) -> str:
    code = model.operatorCodes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    name: str = code.customCode.decode() if code.customCode else _OPERATORS.get(number, f"BUILTIN_{number}")
    return name


def _check_names(given: Collection[str], wanted: Collection[str]) -> None:
    missing = sorted(set(wanted) - set(given))
    if missing:
        raise CompressionError(
            f"the transform must give what the model reads, got no {', '.join(missing)} among "
            f"{', '.join(sorted(given))}; convert it for this model"
        )


def _check_fit(first: schema.ModelT, given: dict[str, int], last: schema.ModelT, wanted: dict[str, int]) -> None:
    _check_names(given, wanted)
    for name in sorted(wanted):
        one, other = first.subgraphs[0].tensors[given[name]], last.subgraphs[0].tensors[wanted[name]]
        offered, needed = _described(one), _described(other)
        if offered != needed:
            raise CompressionError(
                f"the transform must give {name!r} as the model reads it, {needed}, got {offered}; the model was made "
                "for another transform"
            )


def _described(tensor: schema.TensorT) -> str:
    sizes = ["batch", *(str(int(size)) for size in (tensor.shape if tensor.shape is not None else ())[1:])]
    return f"{_TYPES[tensor.type]} ({', '.join(sizes)})"


def _take_graphs(first: schema.ModelT, last: schema.ModelT) -> None:
    """Gives `last` the operator codes, buffers and inner graphs of `first`, whose parts then bear `last`'s numbers."""
    tensors = [tensor for graph in first.subgraphs for tensor in graph.tensors]
    # Buffer 0 is the empty one, by convention.
    used = sorted({tensor.buffer for tensor in tensors} - {0})
    buffers = {0: 0} | {number: len(last.buffers) + place for place, number in enumerate(used)}
    last.buffers = [*last.buffers, *(first.buffers[number] for number in used)]
    for tensor in tensors:
        tensor.buffer = buffers[tensor.buffer]
    shift = len(last.subgraphs) - 1
    for graph in first.subgraphs:
        for operator in graph.operators or []:
            _shift_inner_graphs(operator.builtinOptions, shift)
            operator.opcodeIndex = operator_code(last, first.operatorCodes[operator.opcodeIndex])
    last.subgraphs = [*last.subgraphs, *first.subgraphs[1:]]


def _shift_inner_graphs(options: object, shift: int) -> None:
    for field in _INNER_GRAPHS.get(type(options).__name__, ()):
        setattr(options, field, getattr(options, field) + shift)


def _raise_runtime_version(model: schema.ModelT, other: schema.ModelT) -> None:
    """The file needs the newer of the two runtimes."""
    texts = [_runtime_version(part) for part in (model, other)]
    newest = max(texts, key=_as_numbers)
    for entry in model.metadata or []:
        if entry.name == _RUNTIME_VERSION and newest != texts[0]:
            # As the converter writes it: 16 bytes, padded with zeros.
            entry.buffer = add_buffer(model, newest.encode().ljust(16, b"\0"))


def _runtime_version(model: schema.ModelT) -> str:
    data = [model.buffers[entry.buffer].data for entry in model.metadata or [] if entry.name == _RUNTIME_VERSION]
    return "" if not data or data[0] is None else bytes(data[0]).rstrip(b"\0").decode()


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())

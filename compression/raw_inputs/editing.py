"""A TFLite file as objects that can be changed, and back; with the schema that LiteRT ships, which is the newer."""

from collections.abc import Collection, Iterable
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from compression.errors import CompressionError
from compression.predict import SIGNATURE

_MARK = b"TFL3"

# Kernels read weights as vectors of up to 16 bytes; the schema demands this alignment, which the generated code for
# Python does not keep.
_ALIGNMENT = 16


class _AlignedBuilder(flatbuffers.Builder):  # type: ignore[misc]
    """Puts vectors of bytes, which is what weights are stored as, at multiples of 16."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802, N803 - the package's names
        """Begins a vector, as the package's own method does."""
        offset: int = super().StartVector(elemSize, numElems, _ALIGNMENT if elemSize == 1 else alignment)
        return offset


def unpack(tflite: bytes) -> schema.ModelT:
    """The file as objects.

    Raises:
        CompressionError: When the bytes are no TFLite file, or one without the signature `serving_default`.
    """
    if tflite[4:8] != _MARK:
        raise CompressionError(f"a TFLite file must bear the mark TFL3 at byte 4, got {tflite[4:8]!r}; check the path")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite, 0))
    names = [definition.signatureKey.decode() for definition in model.signatureDefs or []]
    if names != [SIGNATURE] or model.signatureDefs[0].subgraphIndex != 0:
        raise CompressionError(
            f"the model must have one signature, {SIGNATURE}, for its first graph, got {', '.join(names) or 'none'}; "
            "convert it from a SavedModel with that signature alone"
        )
    return model


def pack(model: schema.ModelT) -> bytes:
    """The objects as a file; the same objects give the same bytes."""
    builder = _AlignedBuilder(1 << 16)
    builder.Finish(model.Pack(builder), _MARK)
    return bytes(builder.Output())


def ports(entries: Iterable[schema.TensorMapT]) -> dict[str, int]:
    """Inputs or outputs of a signature: name -> tensor."""
    return {entry.name.decode(): int(entry.tensorIndex) for entry in entries}


def entries(tensors: dict[str, int]) -> list[schema.TensorMapT]:
    """The opposite of `ports`, in the order of the names."""
    made = []
    for name, index in sorted(tensors.items()):
        entry = schema.TensorMapT()
        entry.name, entry.tensorIndex = name.encode(), index
        made.append(entry)
    return made


def renumber(graph: schema.SubGraphT, numbers: dict[int, int]) -> None:
    """Gives the tensors in a graph's inputs, outputs and operators new numbers; those not named keep theirs."""
    for part in (graph, *(graph.operators or [])):
        part.inputs = _renumbered(part.inputs, numbers)
        part.outputs = _renumbered(part.outputs, numbers)
    for operator in graph.operators or []:
        if operator.intermediates is not None and len(operator.intermediates):
            operator.intermediates = _renumbered(operator.intermediates, numbers)


def _renumbered(tensors: Any, numbers: dict[int, int]) -> list[int]:  # noqa: ANN401 - the schema is not typed
    return [numbers.get(int(index), int(index)) for index in ([] if tensors is None else tensors)]


def keep_outputs(model: schema.ModelT, names: Collection[str]) -> None:
    """Leaves out what the named outputs do not need: other outputs, operators, inputs and tensors."""
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    outputs = {name: index for name, index in ports(signature.outputs).items() if name in names}
    needed, kept = set(outputs.values()), []
    for operator in reversed(graph.operators or []):
        if needed.intersection(int(index) for index in operator.outputs):
            needed.update(int(index) for index in operator.inputs)
            kept.append(operator)
    graph.operators = kept[::-1]
    inputs = {name: index for name, index in ports(signature.inputs).items() if index in needed}
    signature.inputs, signature.outputs = entries(inputs), entries(outputs)
    graph.inputs = [entry.tensorIndex for entry in signature.inputs]
    graph.outputs = [entry.tensorIndex for entry in signature.outputs]
    drop_unused_tensors(model)


def drop_unused_tensors(model: schema.ModelT) -> None:
    """Takes out of the first graph the tensors that its inputs, outputs and operators do not name."""
    graph, signature = model.subgraphs[0], model.signatureDefs[0]
    used = used_tensors(graph)
    numbers = {index: number for number, index in enumerate(used)}
    renumber(graph, numbers)
    graph.tensors = [graph.tensors[index] for index in used]
    for entry in (*signature.inputs, *signature.outputs):
        entry.tensorIndex = numbers[entry.tensorIndex]


def used_tensors(graph: schema.SubGraphT) -> list[int]:
    """Tensors that a graph's inputs, outputs or operators name, in the order of their numbers."""
    used: set[int] = set()
    for part in (graph, *(graph.operators or [])):
        for indices in (part.inputs, part.outputs, getattr(part, "intermediates", None)):
            used |= {int(index) for index in (() if indices is None else indices)}
    return sorted(used - {-1})


def add_buffer(model: schema.ModelT, data: bytes | None = None) -> int:
    """A new buffer's number."""
    buffer = schema.BufferT()
    if data is not None:
        buffer.data = np.frombuffer(data, np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def operator_code(model: schema.ModelT, wanted: schema.OperatorCodeT) -> int:
    """The number of an operator's code in a model, which gets it when it lacks it."""
    for number, code in enumerate(model.operatorCodes):
        if _identity(code) == _identity(wanted):
            return number
    model.operatorCodes.append(wanted)
    return len(model.operatorCodes) - 1


def _identity(code: schema.OperatorCodeT) -> tuple[int, bytes | None, int]:
    # Files from before schema 3a keep the code in the deprecated byte.
    return max(code.builtinCode, code.deprecatedBuiltinCode), code.customCode or None, code.version

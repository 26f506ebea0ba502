"""How the model is run on a microcontroller: C++ with LiteRT for Microcontrollers (TFLM).

API: tensorflow/lite/micro/micro_interpreter.h and micro_mutable_op_resolver.h of tensorflow/tflite-micro
"""

from collections.abc import Iterator, Sequence

from components.card.ports import Port
from compression.interface import Interface

_METHODS = """
Abs Add AddN ArgMax ArgMin AssignVariable AveragePool2D BatchMatMul BatchToSpaceNd BroadcastArgs BroadcastTo CallOnce
Cast Ceil Concatenation Conv2D Cos CumSum DepthToSpace DepthwiseConv2D Dequantize Div DynamicUpdateSlice EmbeddingLookup
Elu Equal Exp ExpandDims Fill Floor FloorDiv FloorMod FullyConnected Gather GatherNd Greater GreaterEqual HardSwish If
L2Normalization L2Pool2D LeakyRelu Less LessEqual Log LogicalAnd LogicalNot LogicalOr Logistic LogSoftmax Maximum
MaxPool2D MirrorPad Mean Minimum Mul Neg NotEqual Pack Pad PadV2 Prelu Quantize ReadVariable ReduceAll ReduceMax
ReduceMin Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor ReverseV2 Round Rsqrt SelectV2 Shape Sin Slice Softmax
SpaceToBatchNd SpaceToDepth Split SplitV Squeeze Sqrt Square SquaredDifference StridedSlice Sub Sum Svdf Tanh
TransposeConv Transpose Unpack UnidirectionalSequenceLSTM VarHandle While ZerosLike
"""
"""Builtin operators of `MicroMutableOpResolver`, each a method `Add...`."""

METHOD_OF = {method.lower(): f"Add{method}" for method in _METHODS.split()}
"""An operator's name in small letters, without underscores -> the method that registers it."""

_TYPES = {
    "float32": "float",
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "int64": "int64_t",
    "bool": "bool",
}
"""NumPy's name -> the type in C++."""

_KIB = 1024


def tflm(
    inputs: Sequence[Port], outputs: Sequence[Port], interface: Interface, arena_bytes: int | None
) -> tuple[str | None, str | None]:
    """A program for one example, or why there is none.

    Args:
        inputs: The model's inputs.
        outputs: Its outputs.
        interface: Its operators.
        arena_bytes: Memory for activations; `None`: not measured.
    """
    missing = [*interface.custom, *(name for name in interface.operators if _key(name) not in METHOD_OF)]
    if missing:
        return None, f"TFLM has no operator {', '.join(missing)}"
    unknown = sorted({port.dtype for port in (*inputs, *outputs)} - _TYPES.keys())
    if unknown:
        return None, f"TFLM has no tensors of type {', '.join(unknown)}"
    parameters = [f"const {_TYPES[port.dtype]}* {port.variable}" for port in inputs]
    parameters += [f"{_TYPES[port.dtype]}* {port.variable}" for port in outputs]
    lines = [
        "// xxd -i model.tflite > model_data.h  (then declare the array `alignas(16) const`)",
        "#include <cstring>",
        '#include "model_data.h"',
        '#include "tensorflow/lite/micro/micro_interpreter.h"',
        '#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"',
        '#include "tensorflow/lite/schema/schema_generated.h"',
        "",
        *_arena(arena_bytes),
        "",
        *(f"// {port.words}{_formula(port)}" for port in (*inputs, *outputs)),
        f"bool answer({', '.join(parameters)}) {{",
        f"  static tflite::MicroMutableOpResolver<{len(interface.operators)}> resolver;",
        *(f"  resolver.{METHOD_OF[_key(name)]}();" for name in interface.operators),
        "  static tflite::MicroInterpreter interpreter(",
        "      tflite::GetModel(model_tflite), resolver, arena, sizeof(arena));",
        "  if (interpreter.AllocateTensors() != kTfLiteOk) return false;  // the arena is too small",
        *(f"  std::memcpy({_tensor('input', port)}, {port.variable}, {_bytes(port)});" for port in inputs),
        "  if (interpreter.Invoke() != kTfLiteOk) return false;",
        *(f"  std::memcpy({port.variable}, {_tensor('output', port)}, {_bytes(port)});" for port in outputs),
        "  return true;",
        "}",
    ]
    return "\n".join(lines), None


def _key(operator: str) -> str:
    return operator.replace("_", "").lower()


def _arena(arena_bytes: int | None) -> Iterator[str]:
    """Room to begin with: the interpreter's structures and the kernels' workspace come on top of the activations."""
    needed = "was not measured" if arena_bytes is None else f"is {arena_bytes} bytes"
    yield f"// What the activations need {needed}; shrink this to interpreter.arena_used_bytes() + 16."
    yield f"alignas(16) static uint8_t arena[{(-(-(arena_bytes or 48 * _KIB) // _KIB) + 16) * _KIB}];"


def _formula(port: Port) -> str:
    """How the integers of a port stand for real numbers."""
    if not port.scale:
        return ""
    low, high = port.limits
    return (
        f"; real number x = {port.scale!r} * (q - ({port.zero_point})), q = round(x / {port.scale!r}) + "
        f"({port.zero_point}) within {low} and {high}"
    )


def _tensor(side: str, port: Port) -> str:
    return f"interpreter.typed_{side}_tensor<{_TYPES[port.dtype]}>({port.index})"


def _bytes(port: Port) -> str:
    return f"{port.elements} * sizeof({_TYPES[port.dtype]})"

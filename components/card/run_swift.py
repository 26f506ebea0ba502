"""How the model is run on iOS: Swift with the pod TensorFlowLiteSwift, which is LiteRT's interpreter.

API: https://developers.google.com/edge/api/tflite/swift/Classes/Interpreter
"""

from collections.abc import Iterator, Sequence

from components.card.ports import Port

_TYPES = {
    "float32": "Float32",
    "int8": "Int8",
    "uint8": "UInt8",
    "int16": "Int16",
    "int32": "Int32",
    "int64": "Int64",
    "bool": "Bool",
}
_ZEROS = {"bool": "false"}


def swift(inputs: Sequence[Port], outputs: Sequence[Port]) -> str | None:
    """A program for one example; `None` when there is no such type."""
    if not all(port.dtype in _TYPES for port in (*inputs, *outputs)):
        return None
    return "\n".join(
        [
            "// Podfile: pod 'TensorFlowLiteSwift'; model.tflite in the bundle",
            "import Foundation",
            "import TensorFlowLite",
            "",
            'let interpreter = try Interpreter(modelPath: Bundle.main.path(forResource: "model", ofType: "tflite")!)',
            "try interpreter.allocateTensors()",
            *(line for port in inputs for line in _given(port)),
            "try interpreter.invoke()",
            *(line for port in outputs for line in _taken(port)),
        ]
    )


def _given(port: Port) -> Iterator[str]:
    swift_type = _TYPES[port.dtype]
    if port.scale:
        low, high = port.limits
        yield f"let {port.variable}_x = [Float32](repeating: 0, count: {port.elements})  // your example, real numbers"
        yield (
            f"let {port.variable} = {port.variable}_x.map {{ {swift_type}(min(max(($0 / {port.scale!r}).rounded() + "
            f"({port.zero_point}), {low}), {high})) }}"
        )
    else:
        zero = _ZEROS.get(port.dtype, "0")
        yield f"let {port.variable} = [{swift_type}](repeating: {zero}, count: {port.elements})  // your example"
    copied = f"{port.variable}.withUnsafeBytes {{ Data($0) }}"
    yield f"try interpreter.copy({copied}, toInputAt: {port.index})  // {port.words}"


def _taken(port: Port) -> Iterator[str]:
    yield (
        f"let {port.variable} = try interpreter.output(at: {port.index}).data.withUnsafeBytes "
        f"{{ Array($0.bindMemory(to: {_TYPES[port.dtype]}.self)) }}"
    )
    real = f".map {{ {port.scale!r} * (Float32($0) - ({port.zero_point})) }}" if port.scale else ""
    yield f"print({port.variable}{real})  // {port.words}"

"""How the model is run on Android: Kotlin with LiteRT's compiled models.

API: https://ai.google.dev/edge/litert/next/android_kotlin
"""

import json
from collections.abc import Iterator, Sequence

from components.card.ports import Port

PACKAGE = "com.google.ai.edge.litert:litert:2.3.0"

_TYPES = {
    "float32": ("Float", "FloatArray", "toFloat"),
    "int8": ("Int8", "ByteArray", "toByte"),
    # The same bytes; Kotlin's arrays of unsigned ones are not taken.
    "uint8": ("Int8", "ByteArray", "toByte"),
    "int32": ("Int", "IntArray", "toInt"),
    "int64": ("Long", "LongArray", "toLong"),
    "bool": ("Boolean", "BooleanArray", ""),
}
"""NumPy's name -> the ending of `write` and `read`, the array they take, and the conversion of an element."""


def kotlin(inputs: Sequence[Port], outputs: Sequence[Port]) -> str | None:
    """A program for one example; `None` when the API has no such types."""
    if not all(port.dtype in _TYPES for port in (*inputs, *outputs)):
        return None
    return "\n".join(
        [
            f'// build.gradle.kts: implementation("{PACKAGE}"); model.tflite in src/main/assets',
            "import com.google.ai.edge.litert.Accelerator",
            "import com.google.ai.edge.litert.CompiledModel",
            *(["import kotlin.math.roundToInt"] if any(port.scale for port in inputs) else []),
            "",
            'val model = CompiledModel.create(context.assets, "model.tflite", CompiledModel.Options(Accelerator.CPU))',
            *(f"val {port.variable} = model.createInputBuffer({_text(port.name)})" for port in inputs),
            *(f"val {port.variable} = model.createOutputBuffer({_text(port.name)})" for port in outputs),
            *(line for port in inputs for line in _given(port)),
            f"model.run(mapOf({_pairs(inputs)}), mapOf({_pairs(outputs)}))",
            *(f"println({_real(port)})  // {port.words}" for port in outputs),
        ]
    )


def _given(port: Port) -> Iterator[str]:
    ending, array, convert = _TYPES[port.dtype]
    if not port.scale:
        yield f"{port.variable}.write{ending}({array}({port.elements}))  // your example, {port.words}"
        return
    low, high = port.limits
    yield f"val {port.variable}_x = FloatArray({port.elements})  // your example, real numbers"
    yield (
        f"{port.variable}.write{ending}({array}({port.elements}) {{ i -> (({port.variable}_x[i] / {port.scale!r}f)"
        f".roundToInt() + ({port.zero_point})).coerceIn({low}, {high}).{convert}() }})"
    )


def _real(port: Port) -> str:
    read = f"{port.variable}.read{_TYPES[port.dtype][0]}()"
    if not port.scale:
        return f"{read}.toList()"
    value = "(q.toInt() and 0xff)" if port.dtype == "uint8" else "q.toInt()"
    return f"{read}.map {{ q -> {port.scale!r}f * ({value} - ({port.zero_point})) }}"


def _pairs(ports: Sequence[Port]) -> str:
    return ", ".join(f"{_text(port.name)} to {port.variable}" for port in ports)


def _text(name: str) -> str:
    # JSON's escapes are Kotlin's; a dollar sign would begin a template.
    return json.dumps(name).replace("$", "\\$")

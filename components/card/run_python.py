"""How the model is run on Linux: Python with LiteRT."""

from collections.abc import Iterator, Sequence

from components.card.ports import Port

_KERNELS = {"builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "reference": "BUILTIN_REF"}
"""Kernels of a device profile that are not LiteRT's usual ones -> what `OpResolverType` calls them."""


def python(inputs: Sequence[Port], outputs: Sequence[Port], *, kernels: str, tolerance: float) -> str:
    """A program that answers the first golden example and proves the answer.

    Args:
        inputs: The model's inputs.
        outputs: Its outputs.
        kernels: The kernels that computed the golden pairs.
        tolerance: How far float answers may be from the golden ones, as a share of the largest.
    """
    return "\n".join(
        [
            "import numpy as np",
            f"from ai_edge_litert.interpreter import {_imported(kernels)}",
            "",
            f'model = Interpreter("model.tflite"{_argument(kernels)}).get_signature_runner("serving_default")',
            'pairs = np.load("golden.npz")  # real examples and their answers, in the model\'s own types',
            *(line for port in inputs for line in _given(port)),
            f"answer = model(**{{{', '.join(f'{_text(port.name)}: {port.variable}' for port in inputs)}}})",
            *(line for port in outputs for line in _taken(port, tolerance)),
        ]
    )


def _imported(kernels: str) -> str:
    return "Interpreter, OpResolverType" if kernels in _KERNELS else "Interpreter"


def _argument(kernels: str) -> str:
    if kernels not in _KERNELS:
        return ""
    return f", experimental_op_resolver_type=OpResolverType.{_KERNELS[kernels]}"


def _given(port: Port) -> Iterator[str]:
    key = _text(f"input/{port.name}")
    yield f"{port.variable} = pairs[{key}][:1]  # {port.dtype} {port.shape}"
    if port.scale:
        low, high = port.limits
        yield (
            f"# of real numbers x: {port.variable} = np.clip(np.round(x / {port.scale!r}) + {port.zero_point}, "
            f'{low}, {high}).astype("{port.dtype}")'
        )


def _taken(port: Port, tolerance: float) -> Iterator[str]:
    answer, golden = f"answer[{_text(port.name)}]", f"pairs[{_text(f'output/{port.name}')}][:1]"
    if port.dtype.startswith("float"):
        yield f"assert np.allclose({answer}, {golden}, rtol=0, atol={tolerance:g} * np.abs({golden}).max())"
    else:
        yield f"assert np.array_equal({answer}, {golden})"
    yield f"{port.variable} = {_real(answer, port)}"
    yield f"print({port.variable})"


def _real(answer: str, port: Port) -> str:
    """Quantized answers as the real numbers that they stand for."""
    return f'{port.scale!r} * ({answer}.astype("float32") - {port.zero_point})' if port.scale else answer


def _text(name: str) -> str:
    # Not JSON's escapes: Python knows no pairs of surrogates.
    return ascii(name)

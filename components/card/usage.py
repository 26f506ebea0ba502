"""The snippets that run a model, for every platform."""

from collections.abc import Mapping, Sequence
from typing import Any

from components.card.ports import make_ports
from components.card.run_kotlin import kotlin
from components.card.run_python import python
from components.card.run_swift import swift
from components.card.run_tflm import tflm
from compression.edge.golden import FLOAT_TOLERANCE
from compression.interface import Interface

LANGUAGES = {"python": "python", "android": "kotlin", "ios": "swift", "tflm": "cpp"}
"""Platform -> the language of its snippet, as Markdown's fences name it."""


def usage(
    inputs: Sequence[Mapping[str, Any]],
    outputs: Sequence[Mapping[str, Any]],
    interface: Interface,
    *,
    kernels: str,
    arena_bytes: int | None,
) -> dict[str, dict[str, str | None]]:
    """`{platform: {code, why_not}}`: how the model is run there, or why it cannot be.

    Args:
        inputs: `{name, shape, dtype, scale, zero_point}` of each, as in the manifest.
        outputs: Likewise.
        interface: What the file itself says.
        kernels: LiteRT's kernels that computed the golden pairs.
        arena_bytes: Memory for activations; `None`: not measured.
    """
    given = make_ports(inputs, interface.inputs)
    taken = make_ports(outputs, interface.outputs, [port.variable for port in given])
    micro, why_not = tflm(given, taken, interface, arena_bytes)
    no_types = "its API has no tensors of these types"
    made = {"android": kotlin(given, taken), "ios": swift(given, taken)}
    return {
        "python": {"code": python(given, taken, kernels=kernels, tolerance=FLOAT_TOLERANCE), "why_not": None},
        **{name: {"code": code, "why_not": None if code else no_types} for name, code in made.items()},
        "tflm": {"code": micro, "why_not": why_not},
    }

"""Whether a finished file is what was asked for: no recipe may change nothing without a word."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from compression.audit import audit
from compression.errors import CompressionError
from compression.quantization.layer_operators import LayerOperator
from compression.settings import QuantizeSettings

_STORED = {
    "float16": "float16",
    "dynamic": "int8",
    "int8": "int8",
    "int8_io": "int8",
    "int16x8": "int8",
    "int4": "int4",
}
"""Mode -> the type that it stores weights in."""


def check_changed(content: bytes, settings: QuantizeSettings) -> None:
    """Checks that some weights are stored as the mode says; else it is a float file under another name.

    Raises:
        CompressionError: None is.
    """
    stored = {row.dtype for row in audit(content).weights}
    promised = {_STORED.get(settings.mode, "float32")} | ({"int4"} & {*settings.layers.values()})
    if stored and not stored & promised:
        advice = "choose another mode"
        if settings.mode == "dynamic":
            advice = "tensors below 1,024 weights, and LSTMs with one of them, stay float: choose mode int8 or float16"
        raise CompressionError(
            f"mode {settings.mode} must store weights in {' or '.join(sorted(promised))}, but it changed nothing: the "
            f"file holds {' and '.join(sorted(stored))} only; {advice}"
        )


def check_layers(operators: Sequence[LayerOperator], settings: QuantizeSettings) -> None:
    """Checks that every entry of `layers` had an effect.

    Args:
        operators: What the finished file computes.
        settings: What was asked for.

    Raises:
        CompressionError: No operator of what an entry matches is computed as it says.
    """
    for pattern, precision in settings.layers.items():
        matched = [one for one in operators if any(fnmatchcase(layer, pattern) for layer in one.layers)]
        if not any(operator.precision == precision for operator in matched):
            advice = "name other layers, or leave the entry out"
            if precision == "int4":
                advice = f"LiteRT takes 4 bits in convolutions (not depthwise) and dense layers; {advice}"
            found = sorted({f"{operator.op} in {operator.precision}" for operator in matched})
            raise CompressionError(
                f"every entry of `layers` must change what is computed, but {pattern}: {precision} gives "
                f"{', '.join(found) or 'no operator of its own in the file'}; {advice}"
            )

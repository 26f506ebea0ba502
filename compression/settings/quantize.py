"""Settings of the conversion to TFLite."""

from typing import Literal

from pydantic import Field

from compression.settings.frozen import Settings

QuantizeMode = Literal["float32", "float16", "dynamic", "int8", "int8_io", "int16x8"]

CALIBRATED_MODES: frozenset[str] = frozenset({"int8", "int8_io", "int16x8"})
"""Modes whose activations are quantized with ranges seen on train examples."""

INT8_MODES: frozenset[str] = frozenset({"int8", "int8_io"})
"""Modes that quantization-aware training trains for."""


class QuantizeSettings(Settings):
    """Conversion of a Keras model to one TFLite file."""

    mode: QuantizeMode = Field(
        description="`float32`: no quantization; `float16`: weights stored in half precision; `dynamic`: int8 weights, "
        "float activations; `int8`: int8 weights and activations, float inputs and outputs; `int8_io`: the same with "
        "int8 inputs and outputs; `int16x8`: int16 activations, int8 weights"
    )
    calibration_examples: int = Field(
        default=500, ge=1, le=100_000, description="train examples that set the activation ranges (integer modes)"
    )
    time_limit_s: float = Field(
        default=1800.0,
        gt=0.0,
        le=86_400.0,
        allow_inf_nan=False,
        description="seconds that the conversion may take, checks and validation included; it is ended then",
    )

"""Settings of the conversion to TFLite."""

from collections.abc import Collection
from typing import Literal, cast

from pydantic import Field, ValidationInfo, field_validator

from compression.settings.frozen import Settings

QuantizeMode = Literal["float32", "float16", "dynamic", "int8", "int8_io", "int16x8", "int4"]
Precision = Literal["float32", "int16x8", "int8", "int4"]

CALIBRATED_MODES: frozenset[str] = frozenset({"int8", "int8_io", "int16x8"})
"""Modes whose activations are quantized with ranges seen on train examples."""

INT8_MODES: frozenset[str] = frozenset({"int8", "int8_io"})
"""Modes that quantization-aware training trains for."""

LAYER_PRECISIONS: dict[str, tuple[Precision, ...]] = {
    "dynamic": ("float32", "int8", "int4"),
    "int8": ("float32", "int16x8", "int8", "int4"),
    "int8_io": ("float32", "int16x8", "int8", "int4"),
    "int16x8": ("float32", "int16x8", "int8"),
    "int4": ("float32", "int8", "int4"),
}
"""Mode -> what single layers may have instead: the combinations that LiteRT computes; other modes take none."""

KEEP_PRECISIONS: dict[str, tuple[Precision, ...]] = {
    "int8": ("float32", "int16x8"),
    "int8_io": ("float32", "int16x8"),
    "int16x8": ("float32",),
    "int4": ("int8", "float32"),
}
"""Mode -> what sensitive layers may be kept in; the first is the default. Other modes cost too little for that."""


class QuantizeSettings(Settings):
    """Conversion of a Keras model to one TFLite file."""

    mode: QuantizeMode = Field(
        description="`float32`: no quantization; `float16`: weights stored in half precision; `dynamic`: int8 weights, "
        "float activations; `int8`: int8 weights and activations, float inputs and outputs; `int8_io`: the same with "
        "int8 inputs and outputs; `int16x8`: int16 activations, int8 weights; `int4`: weights stored in 4 bits where "
        "LiteRT can read them, in 8 elsewhere, computing in float"
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
    layers: dict[str, Precision] = Field(
        default={},
        description="other precisions for some layers, by name or pattern; the first that matches counts; not after "
        "`qat`",
    )
    max_validation_drop: float | None = Field(
        default=None,
        ge=0.0,
        allow_inf_nan=False,
        description="largest drop of the gate's metric on validation against the model in float; where the mode costs "
        "more, the most sensitive layers are kept in another precision until it holds; not after `qat`",
    )
    keep: Precision | None = Field(
        default=None,
        description="with `max_validation_drop`: the precision of the layers that are kept; default: `float32`, and "
        "`int8` for mode `int4`",
    )
    ranking_examples: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="with `max_validation_drop`: validation examples that rank the layers; default: 500. The drop "
        "itself is measured on all of validation",
    )

    @property
    def kept_precision(self) -> Precision:
        """What sensitive layers are kept in."""
        return self.keep or KEEP_PRECISIONS[self.mode][0]

    @property
    def ranking_size(self) -> int:
        """Validation examples that rank the layers."""
        return self.ranking_examples or 500

    @field_validator("layers")
    @classmethod
    def _layers_fit_the_mode(cls, layers: dict[str, Precision], info: ValidationInfo) -> dict[str, Precision]:
        mode = info.data.get("mode")
        if mode is None or not layers:  # a wrong mode is a fault of its own
            return layers
        allowed = LAYER_PRECISIONS.get(mode, ())
        if not allowed:
            given = ", ".join(f"{pattern}: {precision}" for pattern, precision in layers.items())
            raise ValueError(f"must be left out with mode {mode}, got {given}; choose {_modes(LAYER_PRECISIONS)}")
        for pattern, precision in layers.items():
            if precision not in allowed:
                raise ValueError(f"must hold {', '.join(allowed)} with mode {mode}, got {pattern}: {precision}")
        return layers

    @field_validator("max_validation_drop")
    @classmethod
    def _mode_can_be_relieved(cls, drop: float | None, info: ValidationInfo) -> float | None:
        mode = info.data.get("mode")
        if drop is not None and mode is not None and mode not in KEEP_PRECISIONS:
            raise ValueError(f"must be left out with mode {mode}, got {drop:g}; choose {_modes(KEEP_PRECISIONS)}")
        return drop

    @field_validator("keep")
    @classmethod
    def _keep_relieves_the_mode(cls, keep: Precision | None, info: ValidationInfo) -> Precision | None:
        allowed = KEEP_PRECISIONS.get(cast(str, info.data.get("mode")), ())
        if keep is not None and allowed and keep not in allowed:
            raise ValueError(f"must be {' or '.join(allowed)} with mode {info.data['mode']}, got {keep}")
        return keep

    @field_validator("keep", "ranking_examples")
    @classmethod
    def _only_with_a_budget(cls, value: object, info: ValidationInfo) -> object:
        # A wrong budget is a fault of its own.
        if value is not None and info.data.get("max_validation_drop", 0.0) is None:
            raise ValueError(f"must be left out without max_validation_drop, got {value}; give both or none")
        return value


def _modes(names: Collection[str]) -> str:
    return f"mode {', '.join(names)}"

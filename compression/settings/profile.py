"""What a kind of device can run and how it is measured; the files of `configs/profiles` hold these keys."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from compression.settings.edge import PROFILE_NAME
from compression.settings.frozen import Settings

Kernels = Literal["xnnpack", "builtin", "reference"]
Device = Literal["litert", "tflite_micro", "vela"]

Names = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=100)], ...], Field(strict=False, min_length=1)]


class VelaSettings(Settings):
    """What Arm's Vela compiles for."""

    accelerator: str = Field(pattern=r"^ethos-u[0-9]{2}-[0-9]{2,4}$", description="for example `ethos-u55-128`")
    system_config: str = Field(pattern=r"^\w+$", description="a `System_Config` of Vela's own `vela.ini`")
    memory_mode: str = Field(pattern=r"^\w+$", description="a `Memory_Mode` of Vela's own `vela.ini`")
    optimise: Literal["Performance", "Size"] = Field(
        default="Performance", description="`Performance` spends SRAM on speed, `Size` saves it"
    )


class Profile(Settings):
    """A kind of device."""

    name: str = Field(pattern=PROFILE_NAME, description="must be the file's name")
    description: str = Field(min_length=1, max_length=500, description="what kind of device this is, for people")
    device: Device = Field(
        description="what measures memory and time on the device: `litert` (this host), `tflite_micro` (the "
        "interpreter of microcontrollers), `vela` (the compiler of Ethos-U)"
    )
    kernels: Kernels = Field(
        description="LiteRT's kernels on this host: `xnnpack`, `builtin` (optimized, without XNNPACK), `reference` "
        "(plain loops, what microcontrollers compute)"
    )
    operators: Names | None = Field(default=None, description="builtin operators of the device; default: all")
    custom_operators: Names | None = Field(default=None, description="custom operators of the device; default: none")
    input_dtypes: Names | None = Field(default=None, description="types that inputs may have; default: any")
    output_dtypes: Names | None = Field(default=None, description="types that outputs may have; default: any")
    vela: VelaSettings | None = Field(default=None, description="required with device `vela`, left out otherwise")

    @model_validator(mode="after")
    def _vela_fits(self) -> "Profile":
        if (self.device == "vela") != (self.vela is not None):
            given = "nothing" if self.vela is None else "settings"
            raise ValueError(f"vela must be given exactly when device is vela, got device {self.device} and {given}")
        return self

"""Settings of the edge check: the budgets that a model must keep, and on which kind of device."""

from pydantic import Field

from compression.settings.frozen import Settings

PROFILE_NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"


class EdgeSettings(Settings):
    """Budgets of a device; each one that is given must be measured and met.

    How a budget is measured depends on the profile: latency is LiteRT's on this host with `cpu`, Vela's estimate with
    `ethos-u`, and cannot be measured with `mcu`.
    """

    profile: str = Field(
        default="cpu", pattern=PROFILE_NAME, description="kind of device: a file of `configs/profiles`, without `.yaml`"
    )
    threads: int = Field(default=1, ge=1, le=256, description="threads of LiteRT; 1 is what most devices have to spare")
    max_size_bytes: int | None = Field(default=None, ge=1, description="largest `.tflite` file")
    max_gzip_bytes: int | None = Field(
        default=None, ge=1, description="largest file after gzip -9, which is where pruning and clustering show"
    )
    max_latency_ms: float | None = Field(
        default=None,
        gt=0.0,
        allow_inf_nan=False,
        description="longest time for one example, which 9 of 10 invocations must keep",
    )
    max_arena_bytes: int | None = Field(default=None, ge=1, description="most memory for activations while running")
    max_macs: int | None = Field(default=None, ge=1, description="most multiply-accumulates for one example")

"""Settings of structured pruning."""

from typing import Annotated, Literal

from pydantic import Field

from compression.settings.finetune import FinetuneSettings, LayerNames

Ratio = Annotated[float, Field(ge=0.0, lt=1.0)]


class PruneChannelsSettings(FinetuneSettings):
    """Structured pruning by the norm of filters (Li et al. 2017, arXiv:1608.08710) or by batch-normalization scale.

    Channels that other layers tie together (by Add, by a depthwise convolution) are removed together.
    """

    ratio: Ratio = Field(description="share of channels to remove; 0 removes only channels that are dead already")
    layers: dict[str, Ratio] = Field(
        default={},
        description="other ratios for some layers, by name or pattern; the first that matches counts, and layers whose "
        "channels are tied must get one ratio",
    )
    importance: Literal["l1", "l2", "batch_norm"] = Field(
        default="l1",
        description="what ranks channels: the norm of the filter that makes them, or the size of their "
        "batch-normalization scale (Liu et al. 2017, arXiv:1708.06519; `l1` where there is none)",
    )
    scope: Literal["uniform", "global"] = Field(
        default="uniform",
        description="`uniform`: `ratio` of every group of tied channels; `global`: `ratio` of all channels, the lowest "
        "first, each measured against the mean of its layer",
    )
    min_channels: int = Field(default=1, ge=1, le=65_536, description="fewest channels that a group keeps")
    round_to: int = Field(
        default=1,
        ge=1,
        le=1_024,
        description="keep multiples of this, rounding up; 8 suits kernels that compute several channels at once",
    )
    skip: LayerNames = Field(default=(), description="layers that keep all channels: names, or patterns like `conv_*`")
    unsupported_layers: Literal["refuse", "keep"] = Field(
        default="refuse",
        description="what to do with layers through which channels cannot be followed: `refuse` the run and name them "
        "before any training, or leave them and `keep` all channels that they read",
    )
    epochs: int = Field(default=3, ge=0, le=10_000, description="passes over the train split; 0: no fine-tuning")

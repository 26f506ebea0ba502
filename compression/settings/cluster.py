"""Settings of weight clustering."""

from typing import Annotated, Literal

from pydantic import Field

from compression.settings.finetune import FinetuneSettings, LayerNames

ClusterCount = Annotated[int, Field(ge=2, le=256)]


class ClusterSettings(FinetuneSettings):
    """Weight sharing: every kernel keeps a few distinct values (Han et al. 2016, arXiv:1510.00149).

    Zeros that pruning made stay zeros, and zero then counts as one of the values.
    """

    clusters: ClusterCount = Field(
        default=16, description="most distinct values in a kernel, zero included; 16 fit into 4 bits"
    )
    layers: dict[str, ClusterCount] = Field(
        default={}, description="other numbers for some layers, by name or pattern; the first that matches counts"
    )
    scope: Literal["tensor", "channel"] = Field(
        default="tensor",
        description="`tensor`: the values are shared by the whole kernel; `channel`: every output channel has its own, "
        "which costs less accuracy and shrinks less",
    )
    epochs: int = Field(default=2, ge=0, le=10_000, description="passes over the train split that train the values")
    learning_rate: float = Field(default=3e-4, gt=0.0, le=10.0, description="Adam's learning rate at the first step")
    skip: LayerNames = Field(
        default=(), description="layers that keep their weights: names, or patterns such as `conv_*`"
    )

"""Settings of quantization-aware training."""

from typing import Literal

from pydantic import Field

from compression.settings.finetune import FinetuneSettings, LayerNames


class QatSettings(FinetuneSettings):
    """8-bit quantization-aware training (Jacob et al. 2018, arXiv:1712.05877) by tfmot's default scheme.

    What steps before it made is kept by itself: zeros after `prune`, shared weights after `cluster`.
    """

    learning_rate: float = Field(default=1e-4, gt=0.0, le=10.0, description="Adam's learning rate at the first step")
    skip: LayerNames = Field(
        default=(),
        description="layers trained in float: names, or patterns such as `conv_*`; between two quantized layers the "
        "converter may still store one in int8, which the audit of the file shows",
    )
    unsupported_layers: Literal["refuse", "float"] = Field(
        default="refuse",
        description="what to do with layers that quantization-aware training cannot take: `refuse` the run and name "
        "them before any training, or leave them `float` and list them",
    )

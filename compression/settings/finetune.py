"""How a compressed model is trained a little further to win back what compression cost it."""

from typing import Annotated, Literal

from pydantic import Field

from compression.settings.frozen import Settings

LayerNames = Annotated[tuple[str, ...], Field(strict=False)]


class FinetuneSettings(Settings):
    """Fine-tuning by the task's own loss; shared by every step that trains."""

    epochs: int = Field(default=3, ge=1, le=10_000, description="passes over the train split")
    batch_size: int = Field(default=64, ge=1, le=65_536, description="examples in a training batch")
    learning_rate: float = Field(default=1e-3, gt=0.0, le=10.0, description="Adam's learning rate at the first step")
    learning_rate_schedule: Literal["constant", "cosine"] = Field(
        default="cosine", description="`cosine` falls to zero over all epochs, `constant` stays"
    )
    batch_norm: Literal["update", "freeze"] = Field(
        default="update",
        description="whether batch-normalization statistics and scales go on learning; "
        "`freeze` suits short fine-tuning on little data",
    )

"""How a compressed model is trained a little further to win back what compression cost it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from compression.settings.frozen import Settings

LayerNames = Annotated[tuple[str, ...], Field(strict=False)]


class FinetuneSettings(Settings):
    """Fine-tuning by the task's own loss, or by that and the baseline's answers; shared by every step that trains."""

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
    teacher: Literal["baseline"] | None = Field(
        default=None,
        description="`baseline`: learn from what the float baseline answers too (knowledge distillation, Hinton et al. "
        "2015, arXiv:1503.02531)",
    )
    temperature: float = Field(
        default=2.0,
        ge=1.0,
        le=100.0,
        description="with `teacher`: softens its probabilities, so that small ones count; regression has none",
    )
    alpha: float = Field(
        default=0.7, gt=0.0, le=1.0, description="with `teacher`: weight of its answers; the labels get the rest"
    )

    @model_validator(mode="after")
    def _teacher_is_there(self) -> "FinetuneSettings":
        needless = self.changed("temperature", "alpha")
        if self.teacher is None and needless:
            raise ValueError(f"{' and '.join(needless)} must come with a teacher, got none; add `teacher: baseline`")
        return self

"""Settings of knowledge distillation."""

from typing import Literal

from pydantic import Field

from compression.settings.finetune import FinetuneSettings


class DistillSettings(FinetuneSettings):
    """A new network learns from the baseline's answers (Hinton et al. 2015, arXiv:1503.02531)."""

    student: Literal["build_student", "same"] = Field(
        default="build_student",
        description="`build_student`: what the model module's `build_student(hparams)` returns; `same`: the baseline's "
        "own architecture with new weights (born-again network, Furlanello et al. 2018, arXiv:1805.04770)",
    )
    hparams: dict[str, bool | int | float | str] = Field(
        default={}, description="replace those of `model.hparams` for the student"
    )
    epochs: int = Field(default=20, ge=1, le=10_000, description="passes over the train split")
    teacher: Literal["baseline"] = Field(default="baseline", description="who teaches: the float baseline")

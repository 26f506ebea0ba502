"""Settings of the float model's training."""

from typing import Literal

from pydantic import Field

from compression.settings.frozen import Settings


class TrainSettings(Settings):
    """Training of the float baseline with Adam; the best weights on the validation split are kept."""

    epochs: int = Field(default=20, ge=1, le=10_000, description="passes over the train split at most")
    batch_size: int = Field(default=64, ge=1, le=65_536, description="examples in a training batch")
    learning_rate: float = Field(default=1e-3, gt=0.0, le=10.0, description="Adam's learning rate at the first step")
    learning_rate_schedule: Literal["constant", "cosine"] = Field(
        default="constant", description="`cosine` falls to zero over all epochs, `constant` stays"
    )
    early_stopping_patience: int | None = Field(
        default=None,
        ge=1,
        description="stop after so many epochs without a lower validation loss and go back to the best weights; "
        "without it all epochs are run",
    )

"""Settings of the architecture search."""

from typing import Literal

from pydantic import Field

from compression.settings.frozen import Settings
from compression.settings.quantize import QuantizeMode
from compression.settings.train import TrainSettings


class SearchSettings(Settings):
    """Search among the values that the model module's `search_space` lists, for the best validation metric.

    Quality and costs are those of the converted model, and only models within all given budgets count. What
    `model.hparams` gives is fixed. The result goes to the Trainer, which trains it as `train` says.
    """

    trials: int = Field(
        default=12, ge=1, le=1000, description="models to train at most; those that are over a budget do not count"
    )
    algorithm: Literal["random", "grid", "bayesian"] = Field(
        default="random",
        description="the way through the space: `random`; `grid`, in the order of the lists; `bayesian`, guided by a "
        "Gaussian process over the trials so far",
    )
    epochs: int | None = Field(
        default=None, ge=1, le=10_000, description="passes over the train split in a trial at most; default: `train`'s"
    )
    early_stopping_patience: int | None = Field(
        default=None, ge=1, description="epochs of a trial without a lower validation loss; default: `train`'s"
    )
    mode: QuantizeMode = Field(
        default="int8", description="the conversion whose result is measured: quality, size and multiply-accumulates"
    )
    max_size_bytes: int | None = Field(default=None, ge=1, description="largest converted file")
    max_gzip_bytes: int | None = Field(
        default=None, ge=1, description="largest converted file after gzip -9; known after training only"
    )
    max_macs: int | None = Field(default=None, ge=1, description="most multiply-accumulates for one example")
    time_limit_s: float = Field(
        default=7200.0,
        gt=0.0,
        le=604_800.0,
        allow_inf_nan=False,
        description="seconds that a trial may take; it has failed then, and the search goes on",
    )

    def training(self, train: TrainSettings) -> TrainSettings:
        """How a trial is trained: `train` with what is given here instead.

        >>> SearchSettings(epochs=3).training(TrainSettings(epochs=30, batch_size=16)).epochs
        3
        """
        own = {"epochs": self.epochs, "early_stopping_patience": self.early_stopping_patience}
        return train.model_copy(update={name: value for name, value in own.items() if value is not None})

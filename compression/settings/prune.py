"""Settings of unstructured magnitude pruning."""

from pydantic import Field, model_validator

from compression.settings.finetune import FinetuneSettings, LayerNames


class PruneSettings(FinetuneSettings):
    """Magnitude pruning with a cubic schedule (Zhu and Gupta 2017, arXiv:1710.01878), given in epochs.

    Sparsity rises from `initial_sparsity` at `begin_epoch` to `sparsity` at `end_epoch`; the epochs after that
    fine-tune the weights that are left.
    """

    sparsity: float = Field(gt=0.0, lt=1.0, description="share of zeros in every pruned kernel at the end")
    initial_sparsity: float = Field(default=0.0, ge=0.0, lt=1.0, description="share of zeros when the schedule begins")
    epochs: int = Field(default=6, ge=1, le=10_000, description="passes over the train split")
    begin_epoch: float = Field(default=0.0, ge=0.0, description="epoch in which the schedule begins; may be a fraction")
    end_epoch: float | None = Field(
        default=None,
        gt=0.0,
        description="epoch in which the final sparsity is reached; default: two thirds of `epochs`",
    )
    updates_per_epoch: int = Field(default=10, ge=1, le=10_000, description="how often an epoch recomputes the masks")
    skip: LayerNames = Field(default=(), description="layers left dense: names, or patterns such as `conv_*`")

    @property
    def final_epoch(self) -> float:
        """The epoch in which the final sparsity is reached."""
        return self.epochs * 2 / 3 if self.end_epoch is None else self.end_epoch

    @model_validator(mode="after")
    def _schedule_fits(self) -> "PruneSettings":
        if self.initial_sparsity > self.sparsity:
            raise ValueError(
                f"initial_sparsity must be at most sparsity ({self.sparsity}), got {self.initial_sparsity}; lower it"
            )
        if not self.begin_epoch < self.final_epoch <= self.epochs:
            raise ValueError(
                f"begin_epoch < end_epoch <= epochs must hold, got {self.begin_epoch} < {self.final_epoch:g} <= "
                f"{self.epochs}; move the schedule or raise epochs"
            )
        return self

"""Settings of magnitude pruning."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from compression.settings.finetune import FinetuneSettings, LayerNames

Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Pair = Annotated[tuple[Annotated[int, Field(ge=1, le=64)], Annotated[int, Field(ge=1, le=64)]], Field(strict=False)]


class PruneSettings(FinetuneSettings):
    """Magnitude pruning with a cubic schedule (Zhu and Gupta 2017, arXiv:1710.01878), given in epochs.

    Sparsity rises from `initial_sparsity` at `begin_epoch` to `sparsity` at `end_epoch`; the epochs after that
    fine-tune the weights that are left.
    """

    sparsity: Share | None = Field(
        default=None,
        description="share of zeros at the end, in every pruned kernel or over all; needed without `m_by_n`",
    )
    distribution: Literal["uniform", "lamp"] = Field(
        default="uniform",
        description="`uniform`: every kernel gets the same sparsity; `lamp`: all together get it, and kernels that "
        "matter less get more (Lee et al. 2021, arXiv:2010.07611)",
    )
    layers: dict[str, Share] = Field(
        default={}, description="other sparsities for some layers, by name or pattern; the first that matches counts"
    )
    m_by_n: Pair | None = Field(
        default=None,
        description="`[2, 4]`: two zeros among every four weights that follow each other along the input channels, "
        "made at the first step; replaces `sparsity`",
    )
    block_size: Pair | None = Field(
        default=None,
        description="`[4, 1]`: zeros in blocks of so many rows (inputs) and columns (units); dense layers only",
    )
    block_pooling: Literal["average", "max"] = Field(
        default="average", description="what counts as a block's magnitude"
    )
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
    def target(self) -> float:
        """The share of zeros that a kernel without an entry of its own ends with."""
        if self.sparsity is not None:
            return self.sparsity
        zeros, of = self.m_by_n or (0, 1)
        return zeros / of

    @property
    def final_epoch(self) -> float:
        """The epoch in which the final sparsity is reached."""
        return self.epochs * 2 / 3 if self.end_epoch is None else self.end_epoch

    @model_validator(mode="after")
    def _pattern_fits(self) -> "PruneSettings":
        if (self.sparsity is None) == (self.m_by_n is None):
            given = "both" if self.m_by_n else "neither"
            raise ValueError(f"either sparsity or m_by_n must be given, got {given}; write for example sparsity: 0.8")
        if self.m_by_n is None:
            return self
        if self.m_by_n[0] >= self.m_by_n[1]:
            raise ValueError(f"m_by_n must name fewer zeros than weights, got {list(self.m_by_n)}; write [2, 4]")
        fixed = self.changed("distribution", "layers", "block_size", "block_pooling", "initial_sparsity")
        if fixed:
            raise ValueError(
                f"{', '.join(fixed)} must be left out with m_by_n, which fixes the pattern, got {', '.join(fixed)}"
            )
        return self

    @model_validator(mode="after")
    def _schedule_fits(self) -> "PruneSettings":
        lowest = min([self.target, *self.layers.values()])
        if self.initial_sparsity > lowest:
            raise ValueError(
                f"initial_sparsity must be at most sparsity ({lowest}), got {self.initial_sparsity}; lower it"
            )
        if not self.begin_epoch < self.final_epoch <= self.epochs:
            raise ValueError(
                f"begin_epoch < end_epoch <= epochs must hold, got {self.begin_epoch} < {self.final_epoch:g} <= "
                f"{self.epochs}; move the schedule or raise epochs"
            )
        return self

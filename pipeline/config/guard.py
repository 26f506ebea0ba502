"""The section `data.guard`: how much data may change before somebody is told, or the cycle stops."""

from pydantic import Field, model_validator

from compression.settings import Settings
from pipeline.config.faults import Fault, SectionError


class Limits(Settings):
    """Distances between two distributions, from 0 (the same) to 1 (nothing in common)."""

    notice: float | None = Field(
        default=None, gt=0, le=1, description="from this distance on it is told: in the summary, and to hooks"
    )
    stop: float | None = Field(default=None, gt=0, le=1, description="beyond this distance nothing is trained")

    @model_validator(mode="after")
    def _consistent(self) -> "Limits":
        if self.notice is None and self.stop is None:
            raise SectionError(Fault((), "must hold notice or stop", "neither"))
        if self.notice is not None and self.stop is not None and self.notice > self.stop:
            raise SectionError(Fault(("notice",), f"must be at most stop, {self.stop:g}", f"{self.notice:g}"))
        return self


class GuardSection(Settings):
    """What is measured of new data before anything is trained on them; see docs/data-guard.md."""

    drift: Limits | None = Field(
        default=None, description="between the newest span and the one before it, for the feature that differs most"
    )
    skew: Limits | None = Field(
        default=None,
        description="between the training examples of the window and the examples that judge, for the feature that "
        "differs most",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "GuardSection":
        if self.drift is None and self.skew is None:
            raise SectionError(Fault((), "must hold drift or skew", "neither"))
        return self

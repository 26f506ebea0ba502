"""The section `gate` of the configuration file."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from compression.settings import Settings
from compression.settings.metrics import METRICS
from pipeline.config.faults import Fault, SectionError, show
from pipeline.config.names import FEATURE_NAME

MetricName = Literal["accuracy", "auc", "precision", "recall", "f1", "rmse", "mae"]
ColumnName = Annotated[str, Field(pattern=FEATURE_NAME)]


def _column_value(value: object) -> object:
    """Decides by type, so that a wrong value gives one fault and not one per alternative."""
    if isinstance(value, bool):
        raise SectionError(Fault((), "must be a string or a finite number", show(value), "write 0 or 1"))
    if isinstance(value, str | int) or (isinstance(value, float) and value - value == 0.0):
        return value
    raise SectionError(Fault((), "must be a string or a finite number", show(value)))


ColumnValue = Annotated[str | int | float, BeforeValidator(_column_value)]


class Thresholds(Settings):
    """What a compressed model must keep of the gate's metric."""

    max_drop: float | None = Field(
        default=None, ge=0.0, allow_inf_nan=False, description="largest loss against the baseline, in the metric's unit"
    )
    max_drop_percent: float | None = Field(
        default=None, ge=0.0, allow_inf_nan=False, description="the same in percent of the baseline's value"
    )
    min_value: float | None = Field(
        default=None, ge=0.0, le=1.0, description="lowest value to pass, for metrics where higher is better"
    )
    max_value: float | None = Field(
        default=None,
        gt=0.0,
        allow_inf_nan=False,
        description="highest value to pass, for metrics where lower is better",
    )

    def given(self) -> dict[str, float]:
        """The thresholds that are given, by name."""
        return {name: value for name in Thresholds.model_fields if (value := getattr(self, name)) is not None}

    def faults(self, metric: str) -> list[Fault]:
        """What is wrong with the thresholds for a metric."""
        faults = []
        if self.max_drop is not None and self.max_drop_percent is not None:
            got = f"both ({self.max_drop} and {self.max_drop_percent})"
            faults.append(Fault(("max_drop_percent",), "must be the only one of max_drop and max_drop_percent", got))
        better, unfit = "lower", "min_value"
        if METRICS[metric].higher_is_better:
            better, unfit = "higher", "max_value"
            if self.max_drop is not None and self.max_drop > 1:
                advice = "for percent of the baseline write max_drop_percent"
                faults.append(Fault(("max_drop",), f"must be at most 1 for {metric}", show(self.max_drop), advice))
        if getattr(self, unfit) is not None:
            use = "min_value" if unfit == "max_value" else "max_value"
            must = f"must be left out for {metric}, where {better} is better"
            faults.append(Fault((unfit,), must, show(getattr(self, unfit)), f"use {use}"))
        return faults


class SliceSection(Thresholds):
    """Some of the eval examples, reported by themselves, and judged when thresholds are given."""

    by: Annotated[tuple[ColumnName, ...], Field(strict=False)] = Field(
        default=(), description="columns; every combination of their values is a slice of its own"
    )
    where: dict[ColumnName, ColumnValue] = Field(
        default={}, description="columns and the value that each must have: one slice"
    )
    min_examples: int = Field(
        default=1, ge=1, le=1_000_000, description="a slice with fewer examples is not enough data, which blocks"
    )

    @model_validator(mode="after")
    def _names_columns(self) -> "SliceSection":
        if not self.by and not self.where:
            raise SectionError(Fault((), "must name columns in by or where", "neither"))
        columns = [*self.by, *self.where]
        twice = next((name for position, name in enumerate(columns) if name in columns[:position]), None)
        if twice is not None:
            raise SectionError(Fault((), "must name every column once", f"{show(twice)} twice"))
        return self


class GateSection(Thresholds):
    """What a compressed model must keep on the eval split, as far as its examples can tell."""

    metric: MetricName = Field(description="must be known for `model.task`")
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1.0, description="one-sided, that a push is right, for all variants together"
    )
    slices: Annotated[tuple[SliceSection, ...], Field(strict=False)] = Field(
        default=(), description="parts of the eval split that are looked at by themselves"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "GateSection":
        faults = self.faults(self.metric)
        if self.max_drop is None and self.max_drop_percent is None:
            faults.insert(0, Fault((), "must hold max_drop or max_drop_percent", "neither"))
        for position, part in enumerate(self.slices):
            faults += [fault.under(("slices", position)) for fault in part.faults(self.metric)]
        if faults:
            raise SectionError(*faults)
        return self

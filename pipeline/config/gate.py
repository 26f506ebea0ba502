"""The section `gate` of the configuration file: one rule, or a list of rules that must all hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from compression.outputs import SOLE, of_output
from compression.settings import Settings
from compression.settings.metrics import METRICS
from pipeline.config.faults import Fault, KeyPath, SectionError, show
from pipeline.config.names import FEATURE_NAME, OUTPUT_NAME
from pipeline.config.translate import validate

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

    output: Annotated[str, Field(pattern=OUTPUT_NAME)] | None = Field(
        default=None, description="which of several outputs the rule is about; left out when there is one"
    )
    metric: MetricName = Field(description="must be known for the task of the output")
    max_drop_vs_champion: float | None = Field(
        default=None,
        ge=0.0,
        allow_inf_nan=False,
        description="largest loss against the model that is in the field, the registry's current version, on the same "
        "eval examples; holds nothing up while there is none",
    )
    confidence: float = Field(
        default=0.95,
        gt=0.5,
        lt=1.0,
        description="one-sided, that a push is right, for all variants and rules together; the same in all rules of a "
        "list, where one of them may name it",
    )
    slices: Annotated[tuple[SliceSection, ...], Field(strict=False)] = Field(
        default=(), description="parts of the eval split that are looked at by themselves"
    )

    @property
    def name(self) -> str:
        """The metric, of one of several outputs `output/metric`."""
        return of_output(self.output or SOLE, self.metric)

    @model_validator(mode="after")
    def _consistent(self) -> "GateSection":
        faults = self.faults(self.metric)
        if self.max_drop is None and self.max_drop_percent is None:
            faults.insert(0, Fault((), "must hold max_drop or max_drop_percent", "neither"))
        if (self.max_drop_vs_champion or 0) > 1 and METRICS[self.metric].higher_is_better:
            must = f"must be at most 1 for {self.metric}"
            faults.append(Fault(("max_drop_vs_champion",), must, show(self.max_drop_vs_champion)))
        for position, part in enumerate(self.slices):
            faults += [fault.under(("slices", position)) for fault in part.faults(self.metric)]
        if faults:
            raise SectionError(*faults)
        return self


@dataclass(frozen=True)
class Gate:
    """The rules of a gate; a variant passes when all of them hold.

    Attributes:
        rules: In the order of the file. The first is the main one: variants are shown and chosen by its metric.
        listed: Whether the file holds a list.
    """

    rules: tuple[GateSection, ...]
    listed: bool = False

    @property
    def metric(self) -> str:
        """The metric of the main rule, of one of several outputs `output/metric`."""
        return self.rules[0].name

    @property
    def asks_champion(self) -> bool:
        """Whether a rule compares with the champion."""
        return any(rule.max_drop_vs_champion is not None for rule in self.rules)

    @property
    def confidence(self) -> float:
        """One-sided, for the push as a whole."""
        return self.rules[0].confidence

    def placed(self) -> Iterator[tuple[KeyPath, GateSection]]:
        """Every rule with its place in the file."""
        for position, rule in enumerate(self.rules):
            yield ("gate", position) if self.listed else ("gate",), rule

    def plain(self) -> object:
        """As it stands in the file: a mapping, or a list of them."""
        written = [rule.model_dump(mode="json", by_alias=True) for rule in self.rules]
        return written if self.listed else written[0]


def read_gate(raw: object) -> Gate:
    """Checks the whole section.

    Raises:
        SectionError: With the faults of all rules, paths relative to the section.
    """
    if isinstance(raw, Gate):
        return raw
    listed = isinstance(raw, list | tuple)
    if listed and not raw:
        raise SectionError(Fault((), "must hold at least one rule", "none"))
    faults: list[Fault] = []
    rules: list[GateSection] = []
    for position, item in enumerate(raw if isinstance(raw, list | tuple) else [raw]):
        try:
            rules.append(validate(GateSection, item))
        except SectionError as error:
            faults += [fault.under((position,) if listed else ()) for fault in error.faults]
    faults = faults or [*_repeated(rules), *_unequal(rules)]
    if faults:
        raise SectionError(*faults)
    return Gate(_with_one_confidence(rules), listed)


def _repeated(rules: list[GateSection]) -> Iterator[Fault]:
    for position, rule in enumerate(rules):
        if rule.name in (other.name for other in rules[:position]):
            advice = "put all its thresholds and slices into one rule"
            must = f"must differ from that of every other rule{f' for {rule.output}' if rule.output else ''}"
            yield Fault((position, "metric"), must, show(rule.metric), advice)


def _unequal(rules: list[GateSection]) -> Iterator[Fault]:
    given = [
        (position, rule.confidence) for position, rule in enumerate(rules) if "confidence" in rule.model_fields_set
    ]
    for position, confidence in given:
        if confidence != given[0][1]:
            must = f"must be {given[0][1]:g} as in the rule before, because it holds for the push as a whole"
            yield Fault((position, "confidence"), must, show(confidence))


def _with_one_confidence(rules: list[GateSection]) -> tuple[GateSection, ...]:
    """Rules that name no confidence get that of the rule which does."""
    named = next((rule.confidence for rule in rules if "confidence" in rule.model_fields_set), rules[0].confidence)
    return tuple(rule.model_copy(update={"confidence": named}) for rule in rules)

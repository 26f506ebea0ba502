"""Which examples make which split: weights, sources that exist already, or the values of a column."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from compression.settings import Settings
from pipeline.config.faults import Fault, SectionError, show
from pipeline.config.names import FEATURE_NAME, SOURCE_NAME, matches
from pipeline.config.translate import validate

SPLIT_NAMES = ("train", "validation", "eval")

Weight = Annotated[int, Field(ge=1, le=1000)]
SourceName = Annotated[str, Field(pattern=SOURCE_NAME)]


class SplitSource(Settings):
    """Some of the hash buckets of a source that exists already."""

    from_: SourceName = Field(alias="from", description="the sub-folder, or what stands for `{split}` in `arrays`")
    buckets: int = Field(ge=1, le=1000, description="weight among the splits that are taken from the same source")


@dataclass(frozen=True)
class SplitRange:
    """The hash buckets `first .. first + buckets - 1` out of `total` that make a split.

    Attributes:
        source: The sub-folder, or what stands for `{split}` in `data.arrays`; None: everything at `data.path`.
        first: The first bucket.
        buckets: How many buckets.
        total: How many buckets the source is hashed into; 1 where the split is the whole source.
        values: The values of the column that decides instead, where one does.
    """

    source: str | None
    first: int
    buckets: int
    total: int
    values: tuple[str, ...] = ()


def _split_part(value: object) -> object:
    """Dispatches by type, so that a wrong split gives one fault and not one per alternative."""
    if isinstance(value, SplitSource):
        return value
    if isinstance(value, dict):
        return validate(SplitSource, value)
    if isinstance(value, int) and not isinstance(value, bool):
        if 1 <= value <= 1000:
            return value
        raise SectionError(Fault((), "must be a weight from 1 to 1000", show(value)))
    if isinstance(value, str):
        if matches(SOURCE_NAME, value):
            return value
        raise SectionError(Fault((), "must be the name of a source, without / and not starting with .", show(value)))
    raise SectionError(Fault((), "must be a weight, the name of a source, or {from: NAME, buckets: N}", show(value)))


Split = Annotated[Weight | SourceName | SplitSource, BeforeValidator(_split_part)]


class Splits(Settings):
    """Where the three splits come from: three weights, or three sources."""

    train: Split = Field(description="what the models learn from; calibration too")
    validation: Split = Field(description="early stopping and selection by quality")
    eval: Split = Field(description="touched by the gate alone")

    def ranges(self) -> dict[str, SplitRange]:
        """The buckets of every split; splits that share a source share its buckets, in the order of `SPLIT_NAMES`."""
        wanted: dict[str, tuple[str | None, int]] = {}
        for name in SPLIT_NAMES:
            part = getattr(self, name)
            if isinstance(part, SplitSource):
                wanted[name] = (part.from_, part.buckets)
            else:
                wanted[name] = (part, 1) if isinstance(part, str) else (None, part)
        totals: dict[str | None, int] = {}
        ranges = {}
        for name, (source, buckets) in wanted.items():
            ranges[name] = (source, totals.get(source, 0), buckets)
            totals[source] = totals.get(source, 0) + buckets
        return {name: SplitRange(*entry, totals[entry[0]]) for name, entry in ranges.items()}

    @property
    def by_weight(self) -> bool:
        """Whether everything at `data.path` is divided by weights."""
        return isinstance(self.train, int)

    @model_validator(mode="after")
    def _consistent(self) -> "Splits":
        parts = {name: getattr(self, name) for name in SPLIT_NAMES}
        if len({isinstance(part, int) for part in parts.values()}) > 1:
            given = ", ".join(
                f"{name}: {part.model_dump(by_alias=True) if isinstance(part, SplitSource) else part}"
                for name, part in parts.items()
            )
            raise SectionError(Fault((), "must be three weights or three sources, not a mixture", given))
        users: dict[str, str] = {}
        for name, part in parts.items():
            source = part.from_ if isinstance(part, SplitSource) else str(part)
            other = users.setdefault(source, name)
            if other != name and (isinstance(part, str) or isinstance(parts[other], str)):
                advice = f"write {{from: {source}, buckets: N}} for both"
                fault = Fault((name,), f"must share no examples with {other}", f"{source}, which {other} takes", advice)
                raise SectionError(fault)
        return self


class ColumnSplits(Settings):
    """A column says which split a record belongs to."""

    column: str = Field(pattern=FEATURE_NAME, description="the feature whose value decides")
    train: tuple[str | int, ...] = Field(strict=False, min_length=1, description="its values for this split")
    validation: tuple[str | int, ...] = Field(strict=False, min_length=1, description="its values for this split")
    eval: tuple[str | int, ...] = Field(strict=False, min_length=1, description="its values for this split")

    def ranges(self) -> dict[str, SplitRange]:
        """All data are one source, of which the values of each split take their part."""
        return {name: SplitRange(None, 0, 1, 1, values) for name, values in self.values().items()}

    @property
    def by_weight(self) -> bool:
        """Whether everything at `data.path` is one source."""
        return True

    def values(self) -> dict[str, tuple[str, ...]]:
        """Split to the values that stand for it, as text."""
        named = (("train", self.train), ("validation", self.validation), ("eval", self.eval))
        return {name: tuple(map(str, values)) for name, values in named}

    @model_validator(mode="after")
    def _apart(self) -> "ColumnSplits":
        users: dict[str, str] = {}
        for name, values in self.values().items():
            for value in values:
                other = users.setdefault(value, name)
                if other != name:
                    raise SectionError(Fault((name,), f"must share no values with {other}", value))
        return self


def _splits(value: object) -> object:
    """Dispatches by the key `column`, so that wrong splits give one fault and not one per alternative."""
    if isinstance(value, Splits | ColumnSplits):
        return value
    if isinstance(value, dict):
        return validate(ColumnSplits if "column" in value else Splits, value)
    raise SectionError(Fault((), "must be {train: ..., validation: ..., eval: ...}", show(value)))


AnySplits = Annotated[Splits | ColumnSplits, BeforeValidator(_splits)]

"""The section `data`: where the examples are, which of them make which split, and how much they may change."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from components.spans import Pattern, PatternError
from compression.outputs import by_output
from compression.settings import Settings
from pipeline.config.faults import Fault, SectionError, nearest, show
from pipeline.config.guard import GuardSection
from pipeline.config.names import ARRAY_NAME, FEATURE_NAME, FILE_PATH, SOURCE_NAME, matches
from pipeline.config.per_output import PerOutput
from pipeline.config.push import place_without_secrets
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
    """

    source: str | None
    first: int
    buckets: int
    total: int


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


class WindowSize(Settings):
    """How many spans a run reads."""

    spans: int = Field(ge=1, le=10_000, description="the newest spans, so many of them")


def _window(value: object) -> object:
    """Dispatches by type, so that a wrong window gives one fault and not one per alternative."""
    if value == "all" or isinstance(value, WindowSize):
        return value
    if isinstance(value, dict):
        return validate(WindowSize, value)
    raise SectionError(Fault((), "must be all or {spans: N}", show(value)))


class DataSection(Settings):
    """Where the examples are and which of them make which split."""

    format: Literal["tfrecord", "npz"] = Field(
        description="`tfrecord`: a folder with TFRecord files of tf.train.Example; `npz`: one NumPy archive"
    )
    path: Annotated[str, AfterValidator(place_without_secrets)] = Field(
        pattern=FILE_PATH,
        description="the folder (`tfrecord`) or the file (`npz`), relative to the working directory, or a URI that "
        "fsspec can open, such as `s3://bucket/data`; with `{SPAN}` or "
        "`{YYYY}`, `{MM}` and `{DD}` in it, and maybe `{VERSION}`, a folder or file for each span of data "
        "(docs/spans.md)",
    )
    window: Annotated[Literal["all"] | WindowSize, BeforeValidator(_window)] = Field(
        default="all", description="which spans are read: `all`, or `{spans: N}` for the newest N"
    )
    eval_on: Literal["window", "newest"] = Field(
        default="window",
        description="the spans whose share of `eval` the gate judges by: all that are read, or the newest alone",
    )
    label: PerOutput[Annotated[str, Field(pattern=FEATURE_NAME)]] = Field(
        description="the feature that the model learns to predict; of several outputs a mapping from output (the name "
        "of the layer that makes it) to feature"
    )
    arrays: dict[Annotated[str, Field(pattern=FEATURE_NAME)], Annotated[str, Field(pattern=ARRAY_NAME)]] | None = Field(
        default=None,
        min_length=2,
        description="`npz` only, and required there: feature -> name of its array; `{split}` is replaced by the "
        "source that `splits` names",
    )
    splits: Splits = Field(
        default=Splits(train=8, validation=1, eval=1),
        description="three weights (hash buckets over everything); or three sources, each a name (a sub-folder of "
        "`path`, or the `{split}` of `arrays`) or `{from: NAME, buckets: N}` (hash buckets within a source)",
    )
    schema_path: str | None = Field(
        default=None,
        alias="schema",
        pattern=FILE_PATH,
        description="a tensorflow-metadata schema (`.pbtxt`) that replaces the inferred one",
    )
    guard: GuardSection | None = Field(
        default=None, description="how much the data may change from span to span (docs/data-guard.md)"
    )
    label_names: PerOutput[Annotated[tuple[str, ...], Field(strict=False, min_length=2)]] | None = Field(
        default=None,
        description="names of the classes 0, 1, ..., for the pushed model's manifest; of several outputs a mapping, in "
        "which some may be left out",
    )

    @property
    def labels(self) -> dict[str, str]:
        """The label's feature by output; see `compression.outputs`."""
        return by_output(self.label)

    @property
    def window_spans(self) -> int | None:
        """How many of the newest spans are read; `None`: all, or there are no spans."""
        return self.window.spans if isinstance(self.window, WindowSize) else None

    @model_validator(mode="after")
    def _consistent(self) -> "DataSection":
        faults = [*self._array_faults(), *self._span_faults()]
        for output, names in by_output(self.label_names or ()).items():
            twice = next((name for position, name in enumerate(names) if name in names[:position]), None)
            if twice is not None:
                here = ("label_names", output) if output else ("label_names",)
                faults.append(Fault(here, "must name every class differently", f"{show(twice)} twice"))
        if faults:
            raise SectionError(*faults)
        return self

    def _span_faults(self) -> list[Fault]:
        try:
            pattern = Pattern.parse(self.path)
        except PatternError as error:
            return [Fault(("path",), str(error), show(self.path))]
        if pattern is not None:
            return []
        given = {"window": f"{{spans: {self.window_spans}}}" if self.window_spans else None, "eval_on": self.eval_on}
        must, advice = "must be left out unless path holds {SPAN} or a date", "see docs/spans.md"
        return [
            Fault((key,), must, str(value), advice) for key, value in given.items() if value not in (None, "window")
        ]

    def _array_faults(self) -> list[Fault]:
        here = ("arrays",)
        if self.format != "npz":
            if self.arrays is None:
                return []
            return [Fault(here, "must be left out unless format is npz", f"format {self.format}", "remove arrays")]
        if self.arrays is None:
            example = '{image: "x_{split}", label: "y_{split}"}'
            return [Fault(here, "must be given when format is npz", "nothing", f"write for example {example}")]
        faults = []
        for label in dict.fromkeys(self.labels.values()):
            if label not in self.arrays:
                got = f"the features {', '.join(self.arrays)}"
                faults.append(Fault(here, f"must hold the label {label}", got, nearest(label, self.arrays)))
        for feature, array in self.arrays.items():
            if ("{split}" in array) == self.splits.by_weight:
                must = "must not hold {split} when splits are weights"
                if not self.splits.by_weight:
                    must = "must hold {split} when splits are sources"
                faults.append(Fault(("arrays", feature), must, show(array)))
        return faults

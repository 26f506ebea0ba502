"""The sections of the configuration file but for `gate` and `variants`, as frozen models that check themselves."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from components.spans import Pattern, PatternError
from compression.outputs import by_output
from compression.settings import SearchSettings, Settings, TrainSettings
from pipeline.config.faults import Fault, SectionError, nearest, show
from pipeline.config.names import ARRAY_NAME, FEATURE_NAME, FILE_PATH, MODULE_NAME, SOURCE_NAME, matches
from pipeline.config.per_output import PerOutput
from pipeline.config.translate import validate

Task = Literal["multiclass", "binary", "regression"]

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
    path: str = Field(
        pattern=FILE_PATH,
        description="the folder (`tfrecord`) or the file (`npz`), relative to the working directory; with `{SPAN}` or "
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


def _hparam(value: object) -> object:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif item is not None and not isinstance(item, str | int | float | bool):
            raise SectionError(Fault((), "must be a scalar or a list of scalars", show(item)))
        elif isinstance(item, float) and item - item != 0.0:  # true for infinities and for not-a-number
            raise SectionError(Fault((), "must be a finite number", show(item)))
    return value


HParam = Annotated[
    object,
    BeforeValidator(_hparam),
    WithJsonSchema({"type": ["string", "number", "boolean", "array", "null"]}),
]


class ModelSection(Settings):
    """The model: built and trained by a module that a user writes, or trained elsewhere."""

    module: str | None = Field(
        default=None,
        pattern=MODULE_NAME,
        description="dotted name of the module with `preprocessing_fn` and `build_model`, found from the working "
        "directory; with `pretrained` its `preprocessing_fn` alone is needed, and without it features pass unchanged",
    )
    pretrained: str | None = Field(
        default=None,
        pattern=FILE_PATH,
        description="a model that was trained elsewhere, from which the steps start: a `.keras` or `.h5` file of "
        "tf_keras, or the folder of a SavedModel; nothing is trained before the steps",
    )
    task: PerOutput[Task] = Field(
        description="decides the loss and which metrics there are; of several outputs a mapping from output to task, "
        "unless all have the same"
    )
    hparams: dict[str, HParam] = Field(
        default={},
        description="free scalars and lists, handed to `build_model` as they are",
    )
    search: SearchSettings | None = Field(
        default=None,
        description="search for the hyper-parameters that the module's `search_space` lists and `hparams` leaves open",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "ModelSection":
        if self.pretrained is None:
            if self.module is None:
                raise SectionError(Fault((), "must hold module (to train a model) or pretrained", "neither"))
            return self
        if self.search is not None:
            raise SectionError(
                Fault(("search",), "must be left out with pretrained, which builds no model", "a search")
            )
        return self


class TrainSection(TrainSettings):
    """Training of the float baseline with Adam; the best weights on the validation split are kept."""

    warm_start: Literal["none", "champion"] = Field(
        default="none",
        description="`champion`: begin with the weights of the float model that the registry's current version was "
        "compressed from, when it is still there and built alike, and with new weights otherwise; `none`: always new",
    )

    @property
    def settings(self) -> TrainSettings:
        """What the training itself is told."""
        return TrainSettings(**{name: getattr(self, name) for name in TrainSettings.model_fields})


class ExportSection(Settings):
    """What the pushed file takes."""

    inputs: Literal["transformed", "raw"] = Field(
        default="transformed",
        description="`transformed`: the device computes what `preprocessing_fn` does and feeds the result; `raw`: the "
        "file does it, and the device feeds the features as the data hold them",
    )


class RuntimeSection(Settings):
    """Where things run and what they leave behind."""

    workspace: str | None = Field(
        default=None,
        pattern=FILE_PATH,
        description="folder for metadata, artifacts, run summaries and the registry; default: `.edge/<name>`",
    )

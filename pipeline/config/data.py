"""The section `data`: where the examples are, which of them make which split, and how much they may change."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from components.spans import Pattern, PatternError
from compression.outputs import by_output
from compression.settings import Settings
from pipeline.config.faults import Fault, SectionError, nearest, show
from pipeline.config.formats import AudioSection, ColumnName, ColumnType, ImagesSection, LimitsSection
from pipeline.config.guard import GuardSection
from pipeline.config.names import ARRAY_NAME, FEATURE_NAME, FILE_PATH
from pipeline.config.per_output import PerOutput
from pipeline.config.push import place_without_secrets
from pipeline.config.splits import AnySplits, ColumnSplits, Splits
from pipeline.config.translate import validate

_FOLDER_EXAMPLES = {"images": "{height: 96, width: 96, channels: 3}", "audio": "{sample_rate: 16000, samples: 16000}"}
"""Formats whose data are a folder for every class, and an example of what they need."""


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

    format: Literal["tfrecord", "npz", "csv", "parquet", "images", "audio"] = Field(
        description="`tfrecord`: a folder with TFRecord files of tf.train.Example; `npz`: one NumPy archive, or a "
        "folder of `.npy` files; `csv`, `parquet`: a file or a folder of files; `images`: a folder with one folder of "
        "JPEG and PNG files for every class; `audio`: the same of WAV files (docs/data-formats.md)"
    )
    path: Annotated[str, AfterValidator(place_without_secrets)] = Field(
        pattern=FILE_PATH,
        description="the folder or the file, as `format` says, relative to the working directory, or a URI that fsspec "
        "can open, such as `s3://bucket/data`; with `{SPAN}` or "
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
    columns: dict[ColumnName, ColumnType] = Field(
        default={},
        description="`csv` and `parquet` only: column -> `int`, `float` or `string`; other columns of a CSV file get "
        "the narrowest type that all rows fit",
    )
    fill: dict[ColumnName, float | int | str] = Field(
        default={},
        description="`csv` and `parquet` only: column -> what stands in place of a missing value; without it the "
        "feature is left out of the example",
    )
    ignore: tuple[ColumnName, ...] = Field(
        default=(), strict=False, description="`csv` and `parquet` only: columns that are not read"
    )
    delimiter: str = Field(
        default=",", min_length=1, max_length=1, description="`csv` only: what stands between the cells"
    )
    images: ImagesSection | None = Field(default=None, description="`images` only, and required there")
    audio: AudioSection | None = Field(default=None, description="`audio` only, and required there")
    group_by: ColumnName | None = Field(
        default=None,
        description="records that agree in this feature fall into the same split, so that one person, one device or "
        "one day never stands on both sides",
    )
    limits: LimitsSection = Field(
        default=LimitsSection(), description="what absurd inputs are refused by, while they are read"
    )
    splits: AnySplits = Field(
        default=Splits(train=8, validation=1, eval=1),
        description="three weights (hash buckets over everything); or three sources, each a name (a sub-folder of "
        "`path`, or the `{split}` of `arrays`) or `{from: NAME, buckets: N}` (hash buckets within a source); or "
        "`{column: NAME, train: [VALUES], validation: [VALUES], eval: [VALUES]}`",
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
    def splits_by_column(self) -> bool:
        """Whether a column says which split a record belongs to."""
        return isinstance(self.splits, ColumnSplits)

    @property
    def window_spans(self) -> int | None:
        """How many of the newest spans are read; `None`: all, or there are no spans."""
        return self.window.spans if isinstance(self.window, WindowSize) else None

    @model_validator(mode="after")
    def _consistent(self) -> "DataSection":
        faults = [*self._array_faults(), *self._span_faults(), *self._format_faults()]
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

    def _format_faults(self) -> list[Fault]:
        """Keys that the format does not know, and what it asks for."""
        tables = ("csv", "parquet")
        owners = {"columns": tables, "fill": tables, "ignore": tables, "delimiter": ("csv",)}
        owners |= {name: (name,) for name in _FOLDER_EXAMPLES}
        faults = [
            Fault((key,), f"must be left out unless format is {' or '.join(formats)}", f"format {self.format}")
            for key, formats in owners.items()
            if getattr(self, key) != DataSection.model_fields[key].default and self.format not in formats
        ]
        if self.format in _FOLDER_EXAMPLES:
            faults += self._folder_faults(getattr(self, self.format))
        if self.group_by is not None and isinstance(self.splits, ColumnSplits):
            faults.append(Fault(("group_by",), "must be left out when splits name a column", self.group_by))
        return faults

    def _folder_faults(self, options: ImagesSection | AudioSection | None) -> list[Fault]:
        """What folders of classes need."""
        form, when, faults = self.format, f"when format is {self.format}", []
        if options is None:
            faults.append(Fault((form,), f"must be given {when}", "nothing", f"write {_FOLDER_EXAMPLES[form]}"))
        elif self.group_by is not None and (self.group_by != "group" or options.group is None):
            must = f"must be group {when}, and data.{form}.group must say how a file's name tells it"
            faults.append(Fault(("group_by",), must, self.group_by, 'write for example group: "([^_]+)_"'))
        if len(self.labels) > 1:
            faults.append(Fault(("label",), f"must be one feature {when}", ", ".join(self.labels)))
        return faults

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

"""What ingest reads, as plain data that travels in one execution property."""

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property

from components.targets import from_text

SPILL_FOLDER = "spilled"
"""Below the artifact, while ingest runs: records on their way from readers to writers."""


@dataclass(frozen=True)
class SplitShare:
    """A half-open range of hash buckets of one source that makes up one split, or the values of a column that do.

    Attributes:
        split: `train`, `validation` or `eval`.
        source: Sub-folder or array set that the records come from; empty for all data.
        first: First bucket.
        end: Bucket after the last.
        buckets: Number of buckets of the source.
        values: The values of `IngestSpec.split_column` that stand for this split, as text; empty without one.
    """

    split: str
    source: str
    first: int
    end: int
    buckets: int
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceFile:
    """One input file; its content hash makes a file that was replaced in place known to the cache.

    Attributes:
        path: Path or URI.
        source: The source that it belongs to.
        size_bytes: Its size.
        sha256: Of its content; of a file on an object store `etag:` and the store's own tag.
        span: The span that it belongs to; `None` for data without spans.
        version: Version of that span; `None` where spans have no versions.
    """

    path: str
    source: str
    size_bytes: int
    sha256: str
    span: int | None = None
    version: int | None = None


@dataclass(frozen=True)
class TableOptions:
    """How CSV and Parquet files are read.

    Attributes:
        types: Column to `int`, `float` or `string`; those of other columns are inferred, from all rows.
        fill: Column to what stands in place of a missing value; other missing values are left out.
        ignore: Columns that are not read.
        delimiter: Between the cells of a CSV file.
    """

    types: dict[str, str] = field(default_factory=dict)
    fill: dict[str, float | int | str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    delimiter: str = ","


@dataclass(frozen=True)
class ImageOptions:
    """What images are made into.

    Attributes:
        height: In pixels.
        width: In pixels.
        channels: 1 (grey) or 3 (red, green, blue).
        resize: For images of other sizes: `pad` with black, `crop` the middle, `stretch`, or refuse all but `exact`.
        max_unreadable: How many images may be unreadable before the data are refused.
        group: A regular expression whose one group, found in a file's name, becomes the feature `group`; empty: none.
    """

    height: int
    width: int
    channels: int
    resize: str = "pad"
    max_unreadable: int = 0
    group: str = ""


@dataclass(frozen=True)
class AudioOptions:
    """What recordings are made into.

    Attributes:
        sample_rate: In Hz; recordings with another rate are refused.
        samples: How many samples an example holds.
        length: For recordings of other lengths: `fit` pads short ones with silence and crops long ones to their middle,
            `pad` and `crop` do one and refuse the rest, `exact` refuses all.
        mix: Whether recordings with several channels are averaged into one; else they are refused.
        max_unreadable: How many recordings may be unreadable before the data are refused.
        group: As that of images.
    """

    sample_rate: int
    samples: int
    length: str = "fit"
    mix: bool = False
    max_unreadable: int = 0
    group: str = ""


@dataclass(frozen=True)
class Limits:
    """What absurd inputs are refused by, while they are read.

    Attributes:
        examples: Most examples in all.
        bytes: Most bytes of records in all, as serialized examples.
    """

    examples: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class WindowNotes:
    """What was noticed while the window of spans was looked for.

    Attributes:
        missing_spans: Spans that should stand between those that are there.
        repeated_files: Files left out because an older span holds them byte for byte, in words.
        superseded: Folders or files of older versions.
        empty_spans: Folders of spans that hold no data yet.
    """

    missing_spans: tuple[int, ...] = ()
    repeated_files: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()
    empty_spans: tuple[str, ...] = ()


@dataclass(frozen=True)
class IngestSpec:
    """Everything ingest depends on.

    Attributes:
        format: A key of `components.readers.READERS`.
        label: Name of the label feature; of several outputs as `components.targets` writes it.
        task: `multiclass`, `binary` or `regression`, which fixes the label's type; of several outputs likewise.
        arrays: Feature name to array name, `{split}` standing for the source (NPZ only).
        shares: How sources fall into splits.
        files: Input files, by span and path; empty when ingest looks for them itself.
        path: Where the files are found; may hold the placeholders of `components.spans`.
        spans: How many of the newest spans are read; `None`: all.
        eval_on: `newest`: the eval split holds examples of the newest span alone, and those of older spans that fall
            into its buckets are left out, so that nothing is ever trained on that another run judges by.
        notes: What was noticed while the files were looked for.
        classes: Label feature to the names of its classes, which stand in place of numbers in tables and as the folders
            of images and recordings.
        table: How CSV and Parquet files are read.
        images: What images are made into; `None` for other formats.
        audio: What recordings are made into; `None` for other formats.
        group_by: Records that agree in this feature fall into the same split; empty: each falls by its own content.
        split_column: The feature whose value says which split a record belongs to; empty: buckets do.
        limits: How much may be read.
    """

    format: str
    label: str
    task: str
    arrays: dict[str, str]
    shares: tuple[SplitShare, ...]
    files: tuple[SourceFile, ...] = ()
    path: str = ""
    spans: int | None = None
    eval_on: str = "window"
    notes: WindowNotes = WindowNotes()
    classes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    table: TableOptions = TableOptions()
    images: ImageOptions | None = None
    audio: AudioOptions | None = None
    group_by: str = ""
    split_column: str = ""
    limits: Limits = Limits()

    def to_json(self) -> str:
        """Canonical JSON: equal specs give equal text, which the cache key needs."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "IngestSpec":
        """The inverse of `to_json`."""
        fields = json.loads(text)
        fields["shares"] = tuple(SplitShare(**share | {"values": tuple(share["values"])}) for share in fields["shares"])
        fields["files"] = tuple(SourceFile(**file) for file in fields["files"])
        fields["notes"] = WindowNotes(**{name: tuple(values) for name, values in fields["notes"].items()})
        fields["classes"] = {feature: tuple(names) for feature, names in fields["classes"].items()}
        fields["table"] = TableOptions(**fields["table"] | {"ignore": tuple(fields["table"]["ignore"])})
        fields["images"] = ImageOptions(**fields["images"]) if fields["images"] else None
        fields["audio"] = AudioOptions(**fields["audio"]) if fields["audio"] else None
        fields["limits"] = Limits(**fields["limits"])
        return cls(**fields)

    @cached_property
    def targets(self) -> dict[str, str]:
        """The label features and their tasks; a feature of several outputs has the task of the last."""
        tasks = from_text(self.task)
        return {feature: tasks[output] for output, feature in from_text(self.label).items()}

    @property
    def max_unreadable(self) -> int:
        """How many images or recordings may be unreadable."""
        return self.folder_options.max_unreadable if self.folder_options else 0

    @property
    def folder_options(self) -> ImageOptions | AudioOptions | None:
        """What the files of a class's folder are made into; `None` for formats without such folders."""
        return self.images or self.audio

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, in their order in the configuration."""
        return tuple(dict.fromkeys(share.split for share in self.shares))

    @property
    def sources(self) -> tuple[str, ...]:
        """The sub-folders or array sets that are read, sorted."""
        return tuple(sorted({share.source for share in self.shares}))

    @cached_property
    def newest(self) -> int | None:
        """The newest span among the files; `None` for data without spans."""
        return max((file.span for file in self.files if file.span is not None), default=None)

    def split_of(self, file: SourceFile, digest: bytes, value: str = "") -> str | None:
        """The split that a record of a file belongs to; `None`: none, see `eval_on`.

        Among the splits it is a function of the record's content alone, so repeats never stand on both sides.

        Args:
            file: Where it stands.
            digest: Of what decides: its content, or its group.
            value: That of `split_column`.

        Raises:
            KeyError: No split has this value.
        """
        split = self._by_value(value) if self.split_column else self._by_bucket(file, digest)
        left_out = split == "eval" and self.eval_on == "newest" and file.span != self.newest
        return None if left_out else split

    def _by_value(self, value: str) -> str:
        for share in self.shares:
            if value in share.values:
                return share.split
        raise KeyError(value)

    def _by_bucket(self, file: SourceFile, digest: bytes) -> str:
        for share in self.shares:
            if (
                share.source in ("", file.source)
                and share.first <= int.from_bytes(digest[:8], "big") % share.buckets < share.end
            ):
                return share.split
        raise AssertionError(f"the shares of source {file.source!r} do not cover its buckets")

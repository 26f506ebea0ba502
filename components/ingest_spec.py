"""What ingest reads, as plain data that travels in one execution property."""

import json
from dataclasses import asdict, dataclass
from functools import cached_property

from components.targets import from_text


@dataclass(frozen=True)
class SplitShare:
    """A half-open range of hash buckets of one source that makes up one split.

    Attributes:
        split: `train`, `validation` or `eval`.
        source: Sub-folder or array set that the records come from; empty for all data.
        first: First bucket.
        end: Bucket after the last.
        buckets: Number of buckets of the source.
    """

    split: str
    source: str
    first: int
    end: int
    buckets: int


@dataclass(frozen=True)
class SourceFile:
    """One input file; its content hash makes a file that was replaced in place known to the cache."""

    path: str
    source: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class IngestSpec:
    """Everything ingest depends on.

    Attributes:
        format: A key of `components.readers.READERS`.
        label: Name of the label feature; of several outputs as `components.targets` writes it.
        task: `multiclass`, `binary` or `regression`, which fixes the label's type; of several outputs likewise.
        arrays: Feature name to array name, `{split}` standing for the source (NPZ only).
        shares: How sources fall into splits.
        files: Input files, sorted by path.
    """

    format: str
    label: str
    task: str
    arrays: dict[str, str]
    shares: tuple[SplitShare, ...]
    files: tuple[SourceFile, ...]

    def to_json(self) -> str:
        """Canonical JSON: equal specs give equal text, which the cache key needs."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "IngestSpec":
        """The inverse of `to_json`."""
        fields = json.loads(text)
        fields["shares"] = tuple(SplitShare(**share) for share in fields["shares"])
        fields["files"] = tuple(SourceFile(**file) for file in fields["files"])
        return cls(**fields)

    @cached_property
    def targets(self) -> dict[str, str]:
        """The label features and their tasks; a feature of several outputs has the task of the last."""
        tasks = from_text(self.task)
        return {feature: tasks[output] for output, feature in from_text(self.label).items()}

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, in their order in the configuration."""
        return tuple(dict.fromkeys(share.split for share in self.shares))

    def split_of(self, source: str, digest: bytes) -> str:
        """The split that a record belongs to: a function of its content alone, so repeats never stand on both sides."""
        for share in self.shares:
            if (
                share.source in ("", source)
                and share.first <= int.from_bytes(digest[:8], "big") % share.buckets < share.end
            ):
                return share.split
        raise AssertionError(f"the shares of source {source!r} do not cover its buckets")

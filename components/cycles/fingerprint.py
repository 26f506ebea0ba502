"""What a cycle depends on: files of the window, code and configuration. Plain data; needs no TensorFlow."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from components.ingest_spec import IngestSpec


@dataclass(frozen=True)
class DataFile:
    """One input file.

    Attributes:
        path: As the run reads it.
        span: Number of its span; None where the data have no spans.
        version: Version of its span; None where spans have none.
        size_bytes: Its size.
        sha256: Hash of its content; on an object store `etag:` and the store's own tag.
    """

    path: str
    span: int | None
    version: int | None
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Fingerprint:
    """Everything that is a reason to run again when it changes.

    Attributes:
        files: The files of the window, sorted by path.
        model_code: Name of the model module to its hash; empty without one.
        node_code: Hash of the packages whose code nodes run.
        inputs: Key of the configuration to the hash of the file or folder that it names; None where there is none.
        config: The configuration without what says where and when things run, defaults written out.
    """

    files: tuple[DataFile, ...]
    model_code: Mapping[str, str]
    node_code: str
    inputs: Mapping[str, str | None]
    config: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Fingerprint":
        """The inverse of `to_dict`."""
        return cls(**{**value, "files": tuple(DataFile(**file) for file in value["files"])})


def data_files(spec: IngestSpec) -> tuple[DataFile, ...]:
    """The files that ingest reads, as a fingerprint has them."""
    return tuple(DataFile(file.path, file.span, file.version, file.size_bytes, file.sha256) for file in spec.files)

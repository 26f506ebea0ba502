"""What a cycle depends on: files of the window, code and configuration. Needs no TensorFlow."""

import hashlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline import sources
from pipeline.code_hash import code_sha256
from pipeline.config import Config
from pipeline.durable import read_json, replace_json
from pipeline.workspace import Workspace

NO_REASON_TO_RETRAIN = {"runtime", "cycle", "hooks"}
"""Sections that say where and when things run, and whom to tell, but not what becomes of the model."""

_PROJECT = Path(__file__).resolve().parents[2]
_PACKAGES = ("components", "compression", "registry")
# A file that was written within the same tick of the file system's clock could change again and keep its time.
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True)
class DataFile:
    """One input file.

    Attributes:
        path: As the run reads it.
        span: Number of its span; None where the data have no spans.
        version: Version of its span; None where spans have none.
        size_bytes: Its size.
        sha256: Hash of its content.
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
        config: The configuration without `NO_REASON_TO_RETRAIN`, defaults written out.
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


def take(config: Config, cache: "HashCache") -> Fingerprint:
    """Takes the fingerprint of a configuration and of all it points to, as they are now.

    Args:
        config: The configuration.
        cache: Hashes of files that did not change since.

    Raises:
        UserError: There are no data to read.
    """
    spec = sources.ingest_spec(config, cache.sha256)
    module = config.model.module
    return Fingerprint(
        files=tuple(
            DataFile(
                file.path, getattr(file, "span", None), getattr(file, "version", None), file.size_bytes, file.sha256
            )
            for file in spec.files
        ),
        model_code={} if module is None else {module: code_sha256(module)},
        node_code=_packages_sha256(),
        inputs=dict(_inputs(config, cache)),
        config=config.canonical(exclude=NO_REASON_TO_RETRAIN),
    )


def _inputs(config: Config, cache: "HashCache") -> Iterator[tuple[str, str | None]]:
    """The files beside the data: hashes by key of the configuration."""
    named = {"data.schema": config.data.schema_path, "model.pretrained": config.model.pretrained}
    for key, path in named.items():
        if path is not None:
            yield key, _tree_sha256(Path(path), cache)
    # Frozen after the first blessed run, and then changed by hand alone.
    yield "the frozen schema", _tree_sha256(Workspace(config.workspace).root / "schema.pbtxt", cache)


def _tree_sha256(path: Path, cache: "HashCache") -> str | None:
    if not path.is_dir():
        return cache.sha256(path) if path.is_file() else None
    digest = hashlib.sha256()
    for file in sorted(entry for entry in path.rglob("*") if entry.is_file()):
        digest.update(f"{file.relative_to(path)}\0{cache.sha256(file)}\n".encode())
    return digest.hexdigest()


def _packages_sha256() -> str:
    """Hash of our source that nodes run; not by imports, which would take longer than reading all of it."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        for file in sorted((_PROJECT / package).rglob("*.py")):
            content = file.read_bytes()
            digest.update(f"{file.relative_to(_PROJECT)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


class HashCache:
    """Hashes of file contents by path, size and time of change, kept in a file.

    Args:
        file: Where they are kept; one that is missing or damaged is begun anew.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known = read_json(file) or {}
        self._used: dict[str, list[Any]] = {}

    def sha256(self, path: Path) -> str:
        """The hash of a file's content, computed only when size or time differ from what is known."""
        key, stat = str(path.absolute()), path.stat()
        state = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
        known = self._known.get(key)
        if isinstance(known, list) and known[:-1] == state:
            self._used[key] = known
            return str(known[-1])
        value = sources.file_sha256(path)
        if stat.st_mtime_ns < time.time_ns() - _SETTLED_NS:
            self._used[key] = [*state, value]
        return value

    def save(self) -> None:
        """Keeps what was asked for since the start.

        Raises:
            OSError: The disk is full, or the folder cannot be written.
        """
        if self._used != self._known:
            replace_json(self._file, self._used, flushed=False)
            self._known = dict(self._used)

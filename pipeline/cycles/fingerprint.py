"""What a cycle depends on: files of the window, code and configuration. Needs no TensorFlow."""

import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.cycles.fingerprint import Fingerprint, data_files
from components.source_files import Digest
from pipeline import sources
from pipeline.code_hash import code_sha256
from pipeline.config import Config
from pipeline.durable import read_json, replace_json
from pipeline.workspace import Workspace

NO_REASON_TO_RETRAIN = {"runtime", "cycle", "hooks", "kubeflow"}
"""Sections that say where and when things run, and whom to tell, but not what becomes of the model."""

_PROJECT = Path(__file__).resolve().parents[2]
_PACKAGES = ("components", "compression", "registry")
# A file that was written within the same tick of the file system's clock could change again and keep its time.
_SETTLED_NS = 2_000_000_000


def take(config: Config, cache: "HashCache") -> Fingerprint:
    """Takes the fingerprint of a configuration and of all it points to, as they are now.

    Args:
        config: The configuration.
        cache: Hashes of files that did not change since.

    Raises:
        UserError: There are no data to read.
    """
    spec = sources.ingest_spec(config, cache.sha256)
    made = without_data(config, cache.sha256)
    # Frozen after the first blessed run, and then changed by hand alone.
    frozen = {"the frozen schema": _tree_sha256(Workspace(config.workspace).root / "schema.pbtxt", cache.sha256)}
    return replace(made, files=data_files(spec), inputs={**made.inputs, **frozen})


def without_data(config: Config, digest: Digest = sources.file_sha256) -> Fingerprint:
    """The fingerprint of code and configuration alone: what is known when a pipeline is compiled for a cluster.

    Args:
        config: The configuration.
        digest: Gives the sha256 of a file's content.
    """
    module = config.model.module
    named = {"data.schema": config.data.schema_path, "model.pretrained": config.model.pretrained}
    return Fingerprint(
        files=(),
        model_code={} if module is None else {module: code_sha256(module)},
        node_code=_packages_sha256(),
        inputs={key: _tree_sha256(Path(path), digest) for key, path in named.items() if path is not None},
        config=config.canonical(exclude=NO_REASON_TO_RETRAIN),
    )


def _tree_sha256(path: Path, digest: Digest) -> str | None:
    if not path.is_dir():
        return digest(path) if path.is_file() else None
    tree = hashlib.sha256()
    for file in sorted(entry for entry in path.rglob("*") if entry.is_file()):
        tree.update(f"{file.relative_to(path)}\0{digest(file)}\n".encode())
    return tree.hexdigest()


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

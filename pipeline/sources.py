"""The input files of a run, with their content hashes, resolved before the graph is built."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from components.ingest_spec import IngestSpec, SourceFile, SplitShare
from components.targets import to_text
from pipeline.config import Config
from pipeline.errors import UserError


def file_sha256(path: Path) -> str:
    """Hash of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def ingest_spec(config: Config, digest: Callable[[Path], str] = file_sha256) -> IngestSpec:
    """What ingest reads for this configuration, from the files as they are now.

    Args:
        config: The configuration.
        digest: Gives the sha256 of a file's content.

    Raises:
        UserError: There is nothing to read.
    """
    ranges = config.data.splits.ranges()
    shares = tuple(
        SplitShare(split, part.source or "", part.first, part.first + part.buckets, part.total)
        for split, part in ranges.items()
    )
    sources = sorted({share.source for share in shares})
    return IngestSpec(
        format=config.data.format,
        label=to_text(config.data.labels),
        task=to_text(config.tasks),
        arrays=config.data.arrays or {},
        shares=shares,
        files=tuple(file for source in sources for file in _files(config, source, digest)),
    )


def data_files(format_: str, root: Path, source: str) -> list[Path]:
    """The files of a source, sorted; empty when there are none.

    Args:
        format_: `data.format`.
        root: `data.path`.
        source: The sub-folder, empty for the folder itself.
    """
    if format_ == "npz":
        return [root] if root.is_file() else []
    # Names that begin with a dot or an underscore are notes beside the data, not data.
    return sorted(path for path in (root / source).glob("*") if path.is_file() and path.name[0] not in "._")


def _files(config: Config, source: str, digest: Callable[[Path], str]) -> list[SourceFile]:
    root = Path(config.data.path)
    found = data_files(config.data.format, root, source)
    if not found:
        raise UserError(f"data.path must hold data files, but there is none at {root / source if source else root}")
    return [SourceFile(str(path), source, path.stat().st_size, digest(path)) for path in found]

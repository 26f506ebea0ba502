"""The files that ingest reads, with their hashes: found by the planner, or by ingest itself on a cluster.

Needs no TensorFlow.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from components.errors import InputError
from components.ingest_spec import IngestSpec, SourceFile, WindowNotes
from components.places import Place, RemotePath, Unreachable, place
from components.spans import Delivery, Pattern, SpanError, Window, unreachable, window

Digest = Callable[[Path], str]


def file_sha256(path: Path) -> str:
    """Hash of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def resolve(spec: IngestSpec, digest: Digest = file_sha256) -> IngestSpec:
    """The same specification with the files as they are now.

    Args:
        spec: With `path` and, where that holds placeholders, the window.
        digest: Gives the sha256 of a local file's content.

    Raises:
        InputError: There is nothing to read, names of spans are ambiguous, or a store does not answer.
    """
    try:
        return _resolved(spec, digest)
    except SpanError as error:
        raise InputError(str(error)) from error
    except Unreachable as error:
        raise InputError(str(unreachable(spec.path, error))) from error


def _resolved(spec: IngestSpec, digest: Digest) -> IngestSpec:
    pattern = Pattern.parse(spec.path)
    if pattern is None:
        return replace(spec, files=tuple(_all_files(spec, place(spec.path), digest)))
    found = find_window(spec, pattern)
    files, repeated = _without_repeats(
        [file for entry in found.deliveries for file in _span_files(spec, entry, digest)]
    )
    notes = WindowNotes(
        missing_spans=found.missing,
        repeated_files=tuple(repeated),
        superseded=tuple(str(entry.path) for entry in found.superseded),
        empty_spans=tuple(map(str, found.empty)),
    )
    return replace(spec, files=tuple(files), notes=notes)


def find_window(spec: IngestSpec, pattern: Pattern) -> Window:
    """The spans that `spec` reads, without a look into their files.

    Raises:
        SpanError: There is none that holds data, or their names are ambiguous.
    """
    return window(pattern, spec.spans, lambda root: not any(_found(spec, root)))


def data_files(format_: str, root: Place, source: str) -> list[Place]:
    """The files of a source, sorted; empty when there are none.

    Args:
        format_: `data.format`.
        root: A folder, or the file that holds everything.
        source: The sub-folder, empty for the folder itself.
    """
    if format_ == "npz" or (root.is_file() and not source):
        return [root] if root.is_file() else []
    folder = root / source
    # Names that begin with a dot or an underscore are notes beside the data, not data.
    entries: list[Place] = list(folder.iterdir()) if folder.is_dir() else []
    found = [path for path in entries if path.is_file() and path.name[0] not in "._"]
    return sorted(found, key=lambda path: path.name)


def _found(spec: IngestSpec, root: Place) -> Iterator[Place]:
    for source in spec.sources:
        yield from data_files(spec.format, root, source)


def _all_files(spec: IngestSpec, root: Place, digest: Digest) -> Iterator[SourceFile]:
    for source in spec.sources:
        found = data_files(spec.format, root, source)
        if not found:
            raise InputError(
                f"data.path must hold data files, but there is none at {root / source if source else root}"
            )
        yield from (_source_file(path, source, digest) for path in found)


def _source_file(path: Place, source: str, digest: Digest) -> SourceFile:
    if isinstance(path, RemotePath):
        return SourceFile(str(path), source, path.size_bytes, path.digest())
    return SourceFile(str(path), source, path.stat().st_size, digest(path))


def _span_files(spec: IngestSpec, delivery: Delivery, digest: Digest) -> Iterator[SourceFile]:
    for file in _all_files(spec, delivery.path, digest):
        yield replace(file, span=delivery.span, version=delivery.version)


def _without_repeats(files: list[SourceFile]) -> tuple[list[SourceFile], list[str]]:
    """A file that an older span of the window holds byte for byte was delivered twice, and counts once."""
    first: dict[tuple[str, str], SourceFile] = {}
    kept, repeated = [], []
    for file in files:
        earlier = first.setdefault((file.source, file.sha256), file)
        if earlier.span == file.span:
            kept.append(file)
        else:
            repeated.append(f"{file.path} repeats {earlier.path}")
    return kept, repeated

"""The files that ingest reads, with their hashes: found by the planner, or by ingest itself on a cluster.

Needs no TensorFlow.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from components.errors import InputError
from components.ingest_spec import IngestSpec, SourceFile, WindowNotes
from components.places import Place, RemotePath, Unreachable, place
from components.spans import Delivery, Pattern, SpanError, Window, unreachable, window

Digest = Callable[[Path], str]
PlaceT = TypeVar("PlaceT", Path, RemotePath)

FOLDERS_OF_CLASSES = {"images": (".jpg", ".jpeg", ".png"), "audio": (".wav",)}
"""Formats whose data are a folder for every class, and how the names of the files in it end."""


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
        return _with_classes(replace(spec, files=tuple(_all_files(spec, place(spec.path), digest))))
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
    return _with_classes(replace(spec, files=tuple(files), notes=notes))


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
    if format_ == "npz":
        return [root] if root.is_file() or _holds_arrays(root) else []
    if root.is_file() and not source:
        return [root]
    folder = root / source
    # Names that begin with a dot or an underscore are notes beside the data, not data.
    entries: list[Place] = list(folder.iterdir()) if folder.is_dir() else []
    shown = [path for path in entries if path.name[0] not in "._"]
    if format_ in FOLDERS_OF_CLASSES:
        found = [path for path in shown if path.is_dir() and class_files(format_, path)]
    else:
        found = [path for path in shown if path.is_file()]
    return sorted(found, key=lambda path: path.name)


def _holds_arrays(root: Place) -> bool:
    """Folders of arrays are mapped into memory, so they lie on a disk."""
    return isinstance(root, Path) and any(root.glob("*.npy"))


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
        yield from (_source_file(spec, path, source, digest) for path in found)


def _source_file(spec: IngestSpec, path: Place, source: str, digest: Digest) -> SourceFile:
    if path.is_file():
        return SourceFile(str(path), source, *_size_and_digest(path, digest))
    # A folder that stands for one file: the arrays of its rows, or the files of a class.
    parts: list[Place] = [path / f"{name}.npy" for name in _arrays(spec, source)]
    if spec.format in FOLDERS_OF_CLASSES:
        parts = class_files(spec.format, path)
    missing = [part.name for part in parts if not part.is_file()]
    if missing:
        raise InputError(f"data.arrays must name files in {path}, but there is no {', '.join(missing)}")
    told = [_size_and_digest(part, digest) for part in parts]
    held = "".join(f"{tag} {part.name}\n" for part, (_, tag) in zip(parts, told, strict=True))
    size_bytes = sum(size for size, _ in told)
    return SourceFile(str(path), source, size_bytes, hashlib.sha256(held.encode()).hexdigest())


def _size_and_digest(path: Place, digest: Digest) -> tuple[int, str]:
    if isinstance(path, RemotePath):
        return path.size_bytes, path.digest()
    return path.stat().st_size, digest(path)


def _arrays(spec: IngestSpec, source: str) -> list[str]:
    return sorted({array.replace("{split}", source) for array in spec.arrays.values()})


def class_files(format_: str, folder: PlaceT) -> list[PlaceT]:
    """The images or recordings of a class's folder, sorted."""
    found = [path for path in folder.iterdir() if path.name.lower().endswith(FOLDERS_OF_CLASSES[format_])]
    return sorted((path for path in found if path.name[0] not in "._"), key=lambda path: path.name)


def _with_classes(spec: IngestSpec) -> IngestSpec:
    """Of images and recordings the classes are the folders' names, sorted, unless the configuration names them."""
    if spec.format not in FOLDERS_OF_CLASSES:
        return spec
    (label,) = spec.targets
    folders = sorted({Path(file.path).name for file in spec.files})
    named = spec.classes.get(label, tuple(folders))
    unknown = [name for name in folders if name not in named]
    if unknown:
        raise InputError(
            f"the folders of {spec.format} must be among data.label_names ({', '.join(named)}), but there is "
            f"{', '.join(unknown)}; name it, or move it away"
        )
    return replace(spec, classes={label: named})


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

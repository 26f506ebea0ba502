"""NumPy arrays: one `.npz` archive, or a folder of `.npy` files, one for each array, which may exceed the memory."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from components.ingest_spec import IngestSpec, SourceFile
from components.readers.features import record
from components.readers.unreadable import UnreadableFile

MOST_EXPANSION = 1000
"""How many times larger than its compressed bytes an array may be: deflate cannot do more than 1,032, and only for a
file made for that."""

_SUSPICIOUS_BYTES = 2**30
"""Below this even a bomb does no harm."""


def read_arrays(file: SourceFile, spec: IngestSpec) -> Iterator[bytes]:
    """One example for every row; the arrays must have the same length."""
    names = {feature: array.replace("{split}", file.source) for feature, array in spec.arrays.items()}
    path = Path(file.path)
    try:
        arrays = _mapped(path, names) if path.is_dir() else _loaded(path, names)
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise UnreadableFile(f"arrays {', '.join(names.values())}: {error}") from error
    sizes = {names[feature]: len(array) for feature, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        raise UnreadableFile(f"its arrays must have the same length, got {sizes}")
    for row in zip(*arrays.values(), strict=True):
        yield record(dict(zip(arrays, row, strict=True)))


def _loaded(path: Path, names: dict[str, str]) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        for name in names.values():
            _refuse_bomb(archive, f"{name}.npy")
    with np.load(path, allow_pickle=False) as archive:
        return {feature: archive[name] for feature, name in names.items()}


def _refuse_bomb(archive: zipfile.ZipFile, member: str) -> None:
    """The archive's own index says how large its members become, and NumPy would believe the header of the array."""
    if member not in archive.namelist():
        return  # the lookup that follows says it better
    info = archive.getinfo(member)
    if info.file_size > _SUSPICIOUS_BYTES and info.file_size > MOST_EXPANSION * max(info.compress_size, 1):
        raise ValueError(
            f"{member} would grow from {info.compress_size:,} to {info.file_size:,} bytes, more than "
            f"{MOST_EXPANSION:,} times; save it with less repetition, or as a folder of .npy files"
        )


def _mapped(folder: Path, names: dict[str, str]) -> dict[str, np.ndarray]:
    return {
        feature: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for feature, name in names.items()
    }

"""NumPy arrays: one `.npz` archive, or a folder of `.npy` files, one for each array, which may exceed the memory.

Arrays are read as streams, some rows at a time. They are not mapped: pages of a mapped file count as this process's
memory for as long as nobody else wants it.
"""

import math
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from components.ingest_spec import IngestSpec, SourceFile
from components.readers.features import records
from components.readers.unreadable import UnreadableFile

MOST_EXPANSION = 1000
"""How many times larger than its compressed bytes an array may be: deflate cannot do more than 1,032, and only for a
file made for that."""

_SUSPICIOUS_BYTES = 2**30
"""Below this even a bomb does no harm."""

_CHUNK_BYTES = 2**20
"""Of all arrays together, read at a time; at least one row."""

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_arrays(file: SourceFile, spec: IngestSpec) -> Iterator[bytes]:
    """One example for every row; the arrays must have the same length."""
    names = {feature: array.replace("{split}", file.source) for feature, array in spec.arrays.items()}
    try:
        with ExitStack() as stack:
            path = Path(file.path)
            opened = stack.enter_context(_folder(path) if path.is_dir() else _archive(path, names))
            arrays = {feature: _Rows(stack.enter_context(opened(f"{name}.npy"))) for feature, name in names.items()}
            sizes = {names[feature]: rows.count for feature, rows in arrays.items()}
            if len(set(sizes.values())) > 1:
                raise UnreadableFile(f"its arrays must have the same length, got {sizes}")
            yield from _records(arrays)
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zipfile.zlib.error) as error:
        raise UnreadableFile(f"arrays {', '.join(names.values())}: {error}") from error


def _records(arrays: dict[str, "_Rows"]) -> Iterator[bytes]:
    count = min(rows.count for rows in arrays.values())
    at_a_time = max(1, _CHUNK_BYTES // max(1, sum(rows.row_bytes for rows in arrays.values())))
    for first in range(0, count, at_a_time):
        wanted = min(at_a_time, count - first)
        yield from records({feature: rows.next(wanted) for feature, rows in arrays.items()})


class _Rows:
    """The rows of one array, from a stream that begins with NumPy's header.

    Raises:
        ValueError: It is no array of plain values, or ends before its rows do.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        version = npy.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"the version of its format must be 1.0 or 2.0, got {version}")
        shape, by_columns, self._dtype = _HEADERS[version](stream)
        if self._dtype.hasobject:
            raise ValueError("it must hold plain values, but holds Python objects")
        if not shape:
            raise ValueError("it must have rows, but is a single value")
        self.count, *inner = shape
        self._inner = tuple(inner)
        self.row_bytes = self._dtype.itemsize * math.prod(inner)
        # Stored column after column, rows cannot be had one by one.
        self._whole = self._read(shape[::-1]).transpose() if by_columns and len(shape) > 1 else None
        self._given = 0

    def next(self, count: int) -> np.ndarray:
        """The next rows, which must exist, `[count, ...]`."""
        first, self._given = self._given, self._given + count
        if self._whole is not None:
            return self._whole[first : first + count]
        return self._read((count, *self._inner))

    def _read(self, shape: tuple[int, ...]) -> np.ndarray:
        wanted = self._dtype.itemsize * math.prod(shape)
        content = self._stream.read(wanted)
        if len(content) != wanted:
            raise ValueError(f"it must hold {self.count} rows, but ends early; it was cut off")
        return np.frombuffer(content, self._dtype).reshape(shape)


@contextmanager
def _folder(folder: Path) -> Iterator[Any]:
    yield lambda member: (folder / member).open("rb")


@contextmanager
def _archive(path: Path, names: dict[str, str]) -> Iterator[Any]:
    with zipfile.ZipFile(path) as archive:
        for name in names.values():
            _refuse_bomb(archive, f"{name}.npy")
        yield archive.open


def _refuse_bomb(archive: zipfile.ZipFile, member: str) -> None:
    """The archive's own index says how large its members become, and a stream of them ends nowhere else."""
    if member not in archive.namelist():
        return  # the lookup that follows says it better
    info = archive.getinfo(member)
    if info.file_size > _SUSPICIOUS_BYTES and info.file_size > MOST_EXPANSION * max(info.compress_size, 1):
        raise ValueError(
            f"{member} would grow from {info.compress_size:,} to {info.file_size:,} bytes, more than "
            f"{MOST_EXPANSION:,} times; save it with less repetition, or as a folder of .npy files"
        )

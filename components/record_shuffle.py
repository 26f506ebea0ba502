"""An external shuffle: records travel from their readers to their writers in files, and Beam groups only their places.

Beam's in-process runner holds what it groups in memory. Here a reader spills sorted pieces into files, what is grouped
are the pieces' places, and a writer merges the pieces of one key within a fixed amount of memory.
"""

import struct
import uuid
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from tfx.dsl.io import fileio

SPILL_BYTES = 64 * 2**20
"""What a reader holds before it writes a file."""

MERGE_BYTES = 64 * 2**20
"""What a writer holds at a time, in records."""

_OVERHEAD_BYTES = 256
"""What Python needs for a held record beyond its bytes, about."""

_BLOCK_BYTES = 2**20
_DIGEST_BYTES = 32
_HEAD = struct.Struct(f"<{_DIGEST_BYTES}sQ")
"""Before every record: its digest and its length in bytes."""


Key = TypeVar("Key", bound=Hashable)


class Piece(NamedTuple):
    """Records of one key in one file, in the order of their digests.

    Attributes:
        path: The file, which also holds pieces of other keys.
        offset: Where the piece begins, in bytes.
        size_bytes: How long it is.
    """

    path: str
    offset: int
    size_bytes: int


class Spill(Generic[Key]):
    """Takes records and writes them to files, a bounded amount of memory at a time and one file at a time.

    The names of its files are new ones, so that work which is done again, or by two workers, disturbs nothing: only
    pieces that were handed on count.

    Args:
        folder: Where the files go.
        most_bytes: `full` says so from here on.
    """

    def __init__(self, folder: str, most_bytes: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._held: dict[Key, list[tuple[bytes, bytes]]] = {}
        self._held_bytes = 0

    @property
    def full(self) -> bool:
        """Whether it is time to `flush`."""
        return self._held_bytes >= self._most_bytes

    def add(self, key: Key, digest: bytes, record: bytes) -> None:
        """Takes a record with the sha256 by which it is ordered."""
        self._held.setdefault(key, []).append((digest, record))
        self._held_bytes += len(record) + _OVERHEAD_BYTES

    def flush(self) -> list[tuple[Key, Piece]]:
        """Writes what is held to one new file; returns where the records of each key stand in it."""
        if not self._held:
            return []
        fileio.makedirs(self._folder)
        path = f"{self._folder}/{uuid.uuid4().hex}"
        pieces, offset = [], 0
        with fileio.open(path, "wb") as stream:
            for key, records in self._held.items():
                start = offset
                for block in _blocks(sorted(records)):
                    stream.write(block)
                    offset += len(block)
                records.clear()
                pieces.append((key, Piece(path, start, offset - start)))
        self._held, self._held_bytes = {}, 0
        return pieces


def _blocks(records: Sequence[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """Framed records, many to a block: files on object stores are slow to take single ones."""
    block, size = [], 0
    for digest, record in records:
        block += [_HEAD.pack(digest, len(record)), record]
        size += len(record)
        if size >= _BLOCK_BYTES:
            yield b"".join(block)
            block, size = [], 0
    yield b"".join(block)


def merged(pieces: Iterable[Piece], most_bytes: int = MERGE_BYTES) -> Iterator[bytes]:
    """The records of all pieces in the order of their digests; equal ones are repeated.

    Digests are spread evenly, so a part of their range holds a like part of the records: as many parts are gone
    through, one after the other, as keep the records of each within `most_bytes`. Every byte is read once, and one file
    is open at a time.

    Args:
        pieces: Of one key.
        most_bytes: To hold at a time, about; repeats count once.

    Raises:
        OSError: A piece is shorter than it was.
    """
    cursors = [_Cursor(piece) for piece in pieces]
    parts = max(1, -(-sum(cursor.left_bytes for cursor in cursors) // most_bytes))
    for part in range(1, parts + 1):
        end = (part * 2**64 // parts).to_bytes(8, "big") if part < parts else None
        held: dict[bytes, bytes] = {}
        counts: dict[bytes, int] = {}
        for cursor in cursors:
            for digest, record in cursor.below(end):
                held[digest] = record
                counts[digest] = counts.get(digest, 0) + 1
        for digest in sorted(held):
            for _ in range(counts[digest]):
                yield held[digest]


class _Cursor:
    """A place in a piece, which moves on part by part."""

    def __init__(self, piece: Piece) -> None:
        self._path = piece.path
        self._offset = piece.offset
        self.left_bytes = piece.size_bytes

    def below(self, end: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        """The next records whose digests lie below `end`; `None`: all that are left."""
        if not self.left_bytes:
            return
        with fileio.open(self._path, "rb") as stream:
            stream.seek(self._offset)
            while self.left_bytes:
                head = self._read(stream, _HEAD.size)
                digest, length = _HEAD.unpack(head)
                if end is not None and digest >= end:
                    return
                record = self._read(stream, length)
                self._offset += len(head) + length
                self.left_bytes -= len(head) + length
                yield digest, record

    def _read(self, stream: Any, size: int) -> bytes:  # noqa: ANN401 - whatever the filesystem opens
        content = stream.read(size)
        if len(content) != size:
            raise OSError(
                f"{self._path} must hold {self._offset + self.left_bytes} bytes, but ends early; is the disk full? "
                "Make room, and run again"
            )
        return content

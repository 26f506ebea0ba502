"""One pass over files: it counts, collects labels and, where there is room, keeps the examples for later passes."""

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import tensorflow as tf

from compression.data import Facts, LabelTensor, Rows, Split, TrainingData, count_labels
from compression.errors import CompressionError
from compression.outputs import by_output
from compression.room import Room
from compression.sources import Positions, RecordFiles

Cache = Literal["auto", "memory", "disk", "none"]
Kept: TypeAlias = "tf.Tensor | tuple[dict[str, tf.Tensor], LabelTensor]"
"""Of a batch: its records, or what they are decoded to."""

Decoded: TypeAlias = "tuple[dict[str, tf.Tensor], LabelTensor]"

_BATCH = 1024
_SHARE_OF_MEMORY = 4
_SHARE_OF_DISK = 2

_log = logging.getLogger(__name__)


@contextmanager
def prepared(data: TrainingData) -> Iterator[TrainingData]:
    """The same data, read once and kept as `data.reading.cache` says, for as long as the block runs.

    Raises:
        CompressionError: `cache: disk` and the disk is full.
    """
    with ExitStack() as stack:
        train, validation = (
            stack.enter_context(kept(split, data.reading.cache)) for split in (data.train, data.validation)
        )
        yield replace(data, train=train, validation=validation)


@contextmanager
def kept(split: Split, cache: Cache, look_around: Callable[[str], Room] = Room.here) -> Iterator[Split]:
    """A split whose examples are kept in memory, in a folder that is gone afterwards, or not at all.

    Elements come in the same order as before, shuffled or not. A split of arrays is kept already.

    Args:
        split: Examples in files.
        cache: Where; `auto` chooses by the room that there is.
        look_around: Tells what room there is, of the folder for temporary files.

    Raises:
        CompressionError: `disk` and the disk is full.
    """
    if not isinstance(split.source, RecordFiles) or cache == "none":
        yield split
        return
    with tempfile.TemporaryDirectory(prefix="tfx-edge-examples-") as folder:
        yield _kept(split, split.source, cache, Path(folder), look_around(folder))


def look(
    source: RecordFiles,
    labels: Callable[[tf.Tensor], LabelTensor],
    keeper: "_Keeper | None" = None,
) -> Facts:
    """Reads all files once.

    Args:
        source: The files.
        labels: Turns a batch of records into their labels.
        keeper: Is given every batch.
    """

    def seen(number: tf.Tensor, batch: tf.Tensor) -> tuple[Any, ...]:
        content = tf.reduce_sum(tf.cast(tf.strings.length(batch), tf.int64))
        return number, tf.size(batch), content, labels(batch), () if keeper is None else keeper.chosen(batch)

    parts, content_bytes = [0] * len(source.files), 0
    counts: dict[str, dict[float, int]] = {}
    batches = source.by_file(_BATCH).map(seen, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    for number, size, content, label, chosen in batches.prefetch(2) if source.files else ():
        parts[int(number)] += int(size)
        content_bytes += int(content)
        for output, values in by_output(label).items():
            count_labels(counts.setdefault(output, {}), values.numpy())
        if keeper is not None:
            keeper.keep(int(number), chosen)
    return Facts(sum(parts), tuple(parts), content_bytes, counts)


def _kept(split: Split, source: RecordFiles, cache: Cache, folder: Path, room: Room) -> Split:
    stored = sum(tf.io.gfile.stat(file).length for file in source.files)
    if cache in ("auto", "memory"):
        memory = _Memory(split, None if cache == "memory" else room.memory_bytes // _SHARE_OF_MEMORY)
        # Decoded, examples are larger than in their files: more than that need not be tried.
        if memory.limit is None or stored <= memory.limit:
            try:
                facts = look(source, lambda batch: split.decode(batch)[1], memory)
                _log.info("kept %d examples in memory, %d bytes", facts.size, memory.used)
                return memory.split(facts)
            except _TooMuch:
                del memory
    disk = _Disk(folder, len(source.files), None if cache == "disk" else room.disk_bytes // _SHARE_OF_DISK)
    facts = look(source, lambda batch: split.decode(batch)[1], disk)
    if disk.full:
        _log.info("kept none of %d examples: there is too little room; files are read in every epoch", facts.size)
        return replace(split, look=lambda: facts)
    _log.info("kept %d examples in %s, %d bytes", facts.size, folder, disk.used)
    return Split(RecordFiles(disk.close(), ""), split.decode, lambda: facts)


class _TooMuch(Exception):
    """The examples need more memory than they may."""


class _Keeper(Protocol):
    def chosen(self, batch: tf.Tensor) -> Kept:
        """What to keep of a batch of records; runs in a graph."""

    def keep(self, number: int, chosen: Kept) -> None:
        """Keeps it; it comes from the file of that number."""


@dataclass
class _Memory:
    """Keeps decoded batches; records where features have no fixed shape."""

    original: Split
    limit: int | None
    used: int = 0
    decoded: bool = True
    batches: list[Any] = field(default_factory=list)

    def chosen(self, batch: tf.Tensor) -> Kept:
        decoded = self.original.decode(batch)
        flat = tf.nest.flatten(decoded)
        self.decoded = all(isinstance(part, tf.Tensor) and part.shape[1:].is_fully_defined() for part in flat)
        return decoded if self.decoded else batch

    def keep(self, number: int, chosen: Kept) -> None:
        del number
        self.used += sum(map(_tensor_bytes, tf.nest.flatten(chosen)))
        if self.limit is not None and self.used > self.limit:
            self.batches.clear()
            raise _TooMuch
        self.batches.append(chosen)

    def split(self, facts: Facts) -> Split:
        """The split in memory."""
        if not self.batches:
            return replace(self.original, look=lambda: facts)
        structure = self.batches[0]
        columns = [list(column) for column in zip(*map(tf.nest.flatten, self.batches), strict=True)]
        self.batches.clear()
        # Column by column, so that no more than one is there twice.
        joined = [_joined(column) for column in columns]
        rows = Rows(tf.nest.pack_sequence_as(structure, joined))
        decode = rows if self.decoded else partial(_decoded, self.original, rows)
        return Split(Positions(facts.parts, like_files=True), decode, lambda: facts)


class _Disk:
    """Writes records unpacked, a file for each file; unpacking is what takes long, and decoding is quick."""

    def __init__(self, folder: Path, files: int, limit: int | None) -> None:
        self._paths = [folder / f"{number:06}" for number in range(files)]
        self._limit = limit
        self._writer: tf.io.TFRecordWriter | None = None
        self._number = -1
        self.used = 0
        self.full = False

    def chosen(self, batch: tf.Tensor) -> Kept:
        return batch

    def keep(self, number: int, chosen: Kept) -> None:
        if self.full:
            return
        try:
            self._write(number, tf.get_static_value(chosen))
        except (OSError, tf.errors.OpError) as error:
            self._give_up(str(error))
        if self._limit is not None and self.used > self._limit:
            self._give_up("")

    def close(self) -> tuple[str, ...]:
        """The files, complete."""
        self._finish()
        for path in self._paths:
            path.touch()  # of files without a record
        return tuple(map(str, self._paths))

    def _write(self, number: int, records: Iterable[bytes]) -> None:
        if number != self._number:
            self._finish()
            self._writer, self._number = tf.io.TFRecordWriter(str(self._paths[number])), number
        assert self._writer is not None
        for record in records:
            self._writer.write(record)
            self.used += len(record) + 16  # a length and two checksums
        self._writer.flush()

    def _finish(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _give_up(self, reason: str) -> None:
        if self._limit is None:
            raise CompressionError(
                f"`cache: disk` must find room for all examples in {self._paths[0].parent}, got an error after "
                f"{self.used:,} bytes: {reason}; let TMPDIR name a folder on a larger disk, or set `cache: none`"
            )
        self.full = True
        try:
            self._finish()
        finally:
            for path in self._paths:
                path.unlink(missing_ok=True)


def _decoded(original: Split, rows: Rows, positions: tf.Tensor) -> Decoded:
    return original.decode(rows(positions))


def _joined(column: list[tf.Tensor]) -> tf.Tensor:
    joined = tf.concat(column, axis=0)
    column.clear()
    return joined


def _tensor_bytes(tensor: tf.Tensor) -> int:
    if tensor.dtype == tf.string:
        return int(tf.reduce_sum(tf.cast(tf.strings.length(tensor), tf.int64))) + 24 * int(tf.size(tensor))
    return int(tf.size(tensor)) * int(tensor.dtype.size)

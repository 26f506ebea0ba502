"""Where the elements of a split come from: files of records, or positions in arrays.

The order of elements depends on the data, the seed and the bytes that are shuffled at once, never on threads, cores, or
on whether examples are kept in memory or on disk. So both kinds of sources read parts (a file, or its positions) alike.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import tensorflow as tf

PARTS_AT_ONCE = 8
"""Parts that a coarse shuffle mixes; fixed, because what TensorFlow would choose depends on the cores."""

_BLOCK = 16
_READ_BYTES = 2**20


class Source(Protocol):
    """Single, undecoded elements; every call makes a data set of its own."""

    def elements(self) -> tf.data.Dataset:
        """All in order, part after part."""

    def mixed(self, seed: int) -> tf.data.Dataset:
        """All, in an order of parts that is drawn anew in every iteration, from several parts in turn."""


@dataclass(frozen=True)
class RecordFiles:
    """The records of TFRecord files, serialized.

    Attributes:
        files: In the order in which they are read.
        compression: Of TensorFlow: `GZIP`, or empty.
    """

    files: tuple[str, ...]
    compression: str = "GZIP"

    def elements(self) -> tf.data.Dataset:
        """All records, file after file."""
        return self._read(list(self.files))

    def mixed(self, seed: int) -> tf.data.Dataset:
        """Records of several files in turn, read side by side; the order of files is drawn anew in every iteration."""
        return _mixed(tf.data.Dataset.from_tensor_slices(list(self.files)), len(self.files), self._read, seed)

    def by_file(self, batch_size: int) -> tf.data.Dataset:
        """Batches `(number of the file, records)`, none of which holds records of two files."""

        def batches(number: tf.Tensor, file: tf.Tensor) -> tf.data.Dataset:
            return tf.data.Dataset.zip(
                (tf.data.Dataset.from_tensors(number).repeat(), self._read(file).batch(batch_size))
            )

        return tf.data.Dataset.from_tensor_slices((np.arange(len(self.files)), list(self.files))).flat_map(batches)

    def _read(self, files: list[str] | tf.Tensor) -> tf.data.Dataset:
        return tf.data.TFRecordDataset(files, compression_type=self.compression, buffer_size=_READ_BYTES)


@dataclass(frozen=True)
class Positions:
    """Positions in arrays, from 0 on.

    Attributes:
        parts: How many belong to each part, in order.
        like_files: Whether nothing else may tell them from `RecordFiles`. Keras asks data of unknown size for one batch
            more at the end of each epoch, which moves the random numbers of layers such as dropout on.
    """

    parts: tuple[int, ...]
    like_files: bool = False

    def elements(self) -> tf.data.Dataset:
        """All positions in order."""
        count = sum(self.parts)
        if self.like_files:
            return tf.data.Dataset.from_tensors(np.int64(count)).flat_map(tf.data.Dataset.range)
        return tf.data.Dataset.range(count)

    def mixed(self, seed: int) -> tf.data.Dataset:
        """The order in which `RecordFiles.mixed` gives the records that stand at these positions."""
        ends = np.cumsum(np.asarray(self.parts, np.int64))
        bounds = tf.data.Dataset.from_tensor_slices(np.stack([ends - np.asarray(self.parts, np.int64), ends], axis=1))
        return _mixed(bounds, len(self.parts), lambda pair: tf.data.Dataset.range(pair[0], pair[1]), seed)


def _mixed(
    parts: tf.data.Dataset, count: int, read: Callable[[tf.Tensor], tf.data.Dataset], seed: int
) -> tf.data.Dataset:
    shuffled = parts.shuffle(max(1, count), seed=seed, reshuffle_each_iteration=True)
    return shuffled.interleave(
        read,
        cycle_length=PARTS_AT_ONCE,
        block_length=_BLOCK,
        num_parallel_calls=min(PARTS_AT_ONCE, max(1, count)),
        deterministic=True,
    )

"""Files of examples, read in whole batches and in row ranges."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from components.errors import InputError

_READ_BYTES = 1 << 20
_BATCHES_AHEAD = 2


Transform = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Batch:
    """Some consecutive examples of a file.

    Attributes:
        first: Row of the first of them in the file.
        columns: Values `[batch, ...]` by name.
        records: The serialized examples, a string tensor `[batch]`.
    """

    first: int
    columns: Mapping[str, np.ndarray]
    records: tf.Tensor

    def __len__(self) -> int:
        return int(self.records.shape[0])


def example_files(split_uri: str) -> list[str]:
    """Files of a split, in the order in which TFX's other components read them."""
    return sorted(tf.io.gfile.glob(f"{split_uri}/*"))


def sha256(path: str) -> str:
    """Digest of a file's bytes: equal only for the same records in the same order."""
    digest = hashlib.sha256()
    with tf.io.gfile.GFile(path, "rb") as stream:
        while block := stream.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def wanted_columns(features: Mapping[str, object], names: Sequence[str]) -> dict[str, object]:
    """The part of a feature specification that is read.

    Raises:
        InputError: A name is not among the transformed features.
    """
    missing = [name for name in names if name not in features]
    if missing:
        raise InputError(
            f"the transformed examples must hold {', '.join(missing)}, got {', '.join(sorted(features))}; "
            "return them from preprocessing_fn (a raw column is passed through under its own name)"
        )
    return {name: features[name] for name in dict.fromkeys(names)}


class ExampleReader:
    """Reads examples of TFRecord files in their order, parsing ahead in threads.

    Args:
        columns: Feature specification; a sparse feature becomes dense, with empty text or NaN where it is missing.
        batch_size: Examples in a batch; the last one of a file may be smaller.
        transform: What becomes of the columns before they are handed on; nothing by default.
    """

    def __init__(self, columns: Mapping[str, object], batch_size: int, transform: Transform | None = None) -> None:
        wanted = dict(columns)
        # A traced function holds its tables by weak references alone.
        self._transform = transform

        def parse(serialized: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
            parsed = tf.io.parse_example(serialized, wanted)
            made = parsed if transform is None else transform(parsed)
            return {name: _dense(value) for name, value in made.items()}, serialized

        # Traced once for all files.
        signature = [tf.TensorSpec([None], tf.string)]
        self._parse = tf.function(parse, input_signature=signature).get_concrete_function()
        self._batch_size = batch_size

    def batches(self, path: str, first: int = 0, count: int | None = None) -> Iterator[Batch]:
        """Some rows of one file.

        Args:
            path: The file, gzipped or not.
            first: Rows to skip: a gzip file cannot be entered in the middle, but skipping costs less than parsing.
            count: Rows to read; `None` for all that follow.
        """
        records = tf.data.TFRecordDataset(path, compression_type=_compression(path), buffer_size=_READ_BYTES)
        records = records.skip(first) if first else records
        records = records if count is None else records.take(count)
        parsed = records.batch(self._batch_size).map(
            lambda serialized: self._parse(serialized), num_parallel_calls=os.cpu_count(), deterministic=True
        )
        row = first
        for values, serialized in parsed.prefetch(_BATCHES_AHEAD).with_options(_options()):
            batch = Batch(row, {name: value.numpy() for name, value in values.items()}, serialized)
            yield batch
            row += len(batch)


class Source(Protocol):
    """How examples are read from their files."""

    def reader(self, names: Sequence[str], batch_size: int) -> ExampleReader:
        """Reads the columns of these names."""


@dataclass(frozen=True)
class Transformed:
    """Files that hold the columns as they are.

    Attributes:
        features: Their feature specification.
    """

    features: Mapping[str, object]

    def reader(self, names: Sequence[str], batch_size: int) -> ExampleReader:
        """Reads the columns of these names.

        Raises:
            InputError: A name is not among the features.
        """
        return ExampleReader(wanted_columns(self.features, names), batch_size)


def _options() -> tf.data.Options:
    options = tf.data.Options()
    # Closing a file's iterator waits for the thread that tunes it, up to 0.3 s for every file.
    options.autotune.enabled = False
    return options


def column_values(batch: Batch, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns with one value for each example, `[batch]`, as slices need them."""
    for name in names:
        if batch.columns[name].size != len(batch):
            raise InputError(f"a slice's column must hold one value per example, got more for {name!r}")
    return {name: batch.columns[name].reshape(len(batch)) for name in names}


def _compression(path: str) -> str:
    with tf.io.gfile.GFile(path, "rb") as stream:
        return "GZIP" if stream.read(2) == b"\x1f\x8b" else ""


def _dense(value: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    if not isinstance(value, tf.SparseTensor):
        return value
    # At least one column, so that a batch in which no example has a value keeps its shape.
    shape = [value.dense_shape[0], tf.maximum(value.dense_shape[1], 1)]
    value = tf.sparse.reset_shape(value, shape)
    if value.dtype.is_integer:
        return tf.sparse.to_dense(tf.cast(value, tf.float64), float("nan"))
    return tf.sparse.to_dense(value, "" if value.dtype == tf.string else float("nan"))

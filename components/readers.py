"""The table of readers: from a file to serialized `tf.Example` records.

A reader yields records in the file's order. It raises `UnreadableFile` where the file stops making sense.
"""

import zipfile
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from components.ingest_spec import IngestSpec, SourceFile


class UnreadableFile(Exception):
    """A file that ends early, is damaged, or does not hold what it should."""


def _read_tfrecord(file: SourceFile, spec: IngestSpec) -> Iterator[bytes]:
    del spec
    with tf.io.gfile.GFile(file.path, "rb") as stream:
        compression = "GZIP" if stream.read(2) == b"\x1f\x8b" else ""
    count = 0
    try:
        for record in tf.data.TFRecordDataset(file.path, compression_type=compression).as_numpy_iterator():
            count += 1
            yield record
    except tf.errors.OpError as error:
        raise UnreadableFile(f"corrupt or truncated after record {count}") from error


def _read_npz(file: SourceFile, spec: IngestSpec) -> Iterator[bytes]:
    arrays = _load_arrays(file, {name: array.replace("{split}", file.source) for name, array in spec.arrays.items()})
    for row in zip(*arrays.values(), strict=True):
        yield _example(dict(zip(arrays, row, strict=True))).SerializeToString()


def _load_arrays(file: SourceFile, names: dict[str, str]) -> dict[str, np.ndarray]:
    try:
        with tf.io.gfile.GFile(file.path, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {feature: archive[name] for feature, name in names.items()}
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise UnreadableFile(f"arrays {', '.join(names.values())}: {error}") from error
    sizes = {names[feature]: len(array) for feature, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        raise UnreadableFile(f"its arrays must have the same length, got {sizes}")
    return arrays


def _example(row: dict[str, np.ndarray]) -> tf.train.Example:
    return tf.train.Example(features=tf.train.Features(feature={name: _feature(value) for name, value in row.items()}))


def _feature(value: np.ndarray) -> tf.train.Feature:
    values = np.ravel(value)
    if values.dtype.kind in "biu":
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values.tolist()))
    if values.dtype.kind == "f":
        return tf.train.Feature(float_list=tf.train.FloatList(value=values.tolist()))
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[str(item).encode() for item in values]))


READERS: dict[str, Callable[[SourceFile, IngestSpec], Iterator[bytes]]] = {
    "tfrecord": _read_tfrecord,
    "npz": _read_npz,
}

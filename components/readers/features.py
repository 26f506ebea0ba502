"""From plain values to `tf.Example`."""

from collections.abc import Iterable, Mapping

import numpy as np
import tensorflow as tf


def record(row: Mapping[str, object]) -> bytes:
    """A serialized example with a feature for every value; `None` leaves the feature out.

    Args:
        row: Feature name to a number, a text, bytes, an array of any shape (flattened), or a list of one kind of these.
    """
    features = {name: feature(value) for name, value in row.items() if value is not None}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def feature(value: object) -> tf.train.Feature:
    """Integers and booleans become int64, other numbers float32, all else bytes."""
    if isinstance(value, str | bytes):
        return _bytes([value])
    if isinstance(value, list | tuple) and value and isinstance(value[0], str | bytes):
        return _bytes(value)
    values = np.ravel(np.asarray(value))
    if values.dtype.kind in "biu":
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values.astype(np.int64).tolist()))
    if values.dtype.kind == "f":
        return tf.train.Feature(float_list=tf.train.FloatList(value=values.tolist()))
    return _bytes([str(item) for item in values])


def _bytes(values: Iterable[str | bytes]) -> tf.train.Feature:
    encoded = [value.encode() if isinstance(value, str) else value for value in values]
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=encoded))

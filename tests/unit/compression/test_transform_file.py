"""A transform as a TFLite file: cast as Keras casts, and refused with the operator's name and what to write instead."""

import numpy as np
import pytest
import tensorflow as tf

from compression.errors import CompressionError
from compression.raw_inputs.front import convert
from compression.raw_inputs.prepend import operator_names
from compression.raw_inputs.proof import Runner

RAW = {"x": tf.TensorSpec([None, 3], tf.float32)}
WANTED = {"y": tf.TensorSpec([None, 3], tf.float32)}


def test_integers_are_cast_to_what_the_model_reads():
    content = convert(lambda raw: {"y": tf.cast(raw["x"] > 1, tf.int64) * 2, "unread": raw["x"]}, RAW, WANTED)
    (answer,) = Runner(content)({"x": np.float32([[0, 1, 2]])}).values()
    assert answer.dtype == np.float32
    np.testing.assert_array_equal(answer, [[0, 0, 2]])


def test_a_bucket_number_can_be_counted():
    """What docs/raw-inputs.md advises in place of tft.bucketize; boundaries belong to the bucket above."""
    boundaries = tf.constant([[1.0, 2.0, 3.0]])

    def count(raw):
        above = tf.expand_dims(raw["x"], -1) >= boundaries
        return {"y": tf.reduce_sum(tf.cast(above, tf.int64), axis=-1)}

    content = convert(count, RAW, WANTED)
    (answer,) = Runner(content)({"x": np.float32([[0.5, 1, 2.5], [3, 4, -1]])}).values()
    np.testing.assert_array_equal(answer, [[0, 1, 2], [3, 3, 0]])


@pytest.mark.parametrize(
    ("transform", "said"),
    [
        (
            lambda raw: tf.cast(tf.searchsorted([tf.ones(4)], [tf.reshape(raw["x"], [-1])], side="right"), tf.float32),
            r"got UpperBound \(scope/UpperBound\); tft.bucketize and tft.apply_buckets become tft.quant",
        ),
        (
            lambda raw: tf.strings.to_number(tf.strings.as_string(raw["x"])),
            r"got AsString \(scope/AsString\), StringToNumber \(scope/StringToNumber\); vocabularies and hashes",
        ),
        (
            lambda raw: tf.numpy_function(lambda values: values, [raw["x"]], tf.float32),
            r"got PyFunc \(scope/PyFunc\); write Python functions with TensorFlow's operators",
        ),
    ],
    ids=["buckets", "strings", "python"],
)
def test_operators_that_tflite_lacks_are_named(transform, said):
    def scoped(raw):
        with tf.name_scope("scope"):
            return {"y": tf.reshape(transform(raw), [-1, 3])}

    with pytest.raises(CompressionError, match=said) as raised:
        convert(scoped, RAW, WANTED)
    assert "`export: {inputs: transformed}`" in str(raised.value)


def test_another_shape_is_refused_before_converting():
    with pytest.raises(CompressionError, match=r"the shape that the model reads, \(\?, 3\), got \(\?, 2\)"):
        convert(lambda raw: {"y": raw["x"][:, :2]}, RAW, WANTED)


def test_only_what_is_read_is_converted():
    content = convert(lambda raw: {"y": raw["x"], "other": tf.strings.as_string(raw["x"])}, RAW, WANTED)
    assert operator_names(content) == []

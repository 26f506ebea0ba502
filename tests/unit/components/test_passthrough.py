"""Features handed on to a pretrained model: in its types and shapes, or refused with a remedy."""

import numpy as np
import pytest
import tensorflow as tf

from components.errors import InputError
from components.passthrough import preprocessing_fn


def hand_on(inputs, **wanted):
    config = {"label": "label", "inputs": {name: {"dtype": d, "shape": s} for name, (d, s) in wanted.items()}}
    return preprocessing_fn({"label": tf.constant([1, 0], tf.int64), **inputs}, config)


def test_whole_numbers_become_what_a_float_model_reads_in_its_shape():
    pixels = np.arange(8).reshape(2, 4)
    out = hand_on({"image": tf.constant(pixels, tf.int64)}, image=("float32", [2, 2, 1]))
    assert out.keys() == {"image", "label"}
    assert out["image"].dtype == tf.float32
    np.testing.assert_array_equal(out["image"], pixels.reshape(2, 2, 2, 1))
    np.testing.assert_array_equal(out["label"], [1, 0])


def test_the_only_feature_is_read_whatever_the_model_calls_it():
    out = hand_on({"image": tf.zeros([2, 4])}, input_1=("float32", [4]))
    assert out.keys() == {"input_1", "label"}


def test_several_inputs_are_found_by_name_and_other_features_stay_for_slices():
    features = {"ids": tf.constant([[3], [4]], tf.int64), "x": tf.zeros([2, 3]), "writer": tf.constant([7, 8])}
    out = hand_on(features, ids=("int32", []), x=("float32", [3]))
    assert out.keys() == {"ids", "x", "writer", "label"}
    assert (out["ids"].dtype, out["ids"].shape) == (tf.int64, [2])


def test_features_of_varying_length_are_left_out():
    words = tf.sparse.from_dense([[1, 0], [1, 1]])
    assert hand_on({"x": tf.zeros([2, 3]), "words": words}, x=("float32", [3])).keys() == {"x", "label"}


@pytest.mark.parametrize(
    ("inputs", "wanted", "message"),
    [
        (
            {"a": tf.zeros([2, 1]), "b": tf.zeros([2, 1])},
            {"x": ("float32", [1])},
            "reads x, but the data hold a, b; name a model.module whose preprocessing_fn returns what the model reads",
        ),
        ({}, {"label": ("float32", [1])}, "reads label, but the data hold none"),
        ({"x": tf.sparse.eye(2)}, {"x": ("float32", [2])}, "feature x must have a fixed size"),
        ({"x": tf.constant([["a"]])}, {"x": ("float32", [1])}, "must be float32 to be read as it is, got string"),
        ({"x": tf.zeros([2, 1])}, {"x": ("int32", [1])}, "must be int32 to be read as it is, got float32"),
        ({"x": tf.zeros([2, 6])}, {"x": ("float32", [2, 2])}, r"must hold 4 values \[2, 2\] for each example, got 6"),
    ],
)
def test_what_would_change_values_is_refused(inputs, wanted, message):
    with pytest.raises(InputError, match=message):
        hand_on(inputs, **wanted)

"""The proof lets float rounding pass and nothing else."""

import numpy as np
import pytest
import tensorflow as tf

from compression.errors import CompressionError
from compression.quantize import convert
from compression.raw_inputs.front import convert as convert_transform
from compression.raw_inputs.prepend import fit, prepend
from compression.raw_inputs.proof import TOLERANCE, Runner, check_front, check_merged
from compression.settings import QuantizeSettings

pytestmark = pytest.mark.methods

NUMBERS = tf.TensorSpec([None, 3], tf.float32)
IMAGE = tf.TensorSpec([None, 8, 8, 1], tf.float32)


@pytest.fixture(scope="module")
def third() -> bytes:
    return convert_transform(lambda raw: {"y": raw["x"] / 3.0}, {"x": NUMBERS}, {"y": NUMBERS})


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(100, 3)).astype(np.float32) * np.float32([1, 1000, 1e-3])


def test_rounding_passes_and_is_reported(third, values):
    batches = [({"x": part}, {"y": part / np.float32(3)}) for part in np.array_split(values, 4)]
    proof = check_front(third, batches)
    assert proof.examples == 100
    # TFLite multiplies with a third; the largest values are about 1000 and lose at most their last bit.
    assert proof.max_abs_error["y"] <= 2**-14


def test_one_operator_uses_a_twentieth_of_the_tolerance(values):
    functions = {
        "exp": lambda x: tf.exp(x / 500),
        "log": lambda x: tf.math.log(tf.abs(x) + 0.1),
        "tanh": tf.tanh,
        "sigmoid": tf.sigmoid,
        "power": lambda x: tf.pow(tf.abs(x) + 0.1, 1.7),
        "normalized": lambda x: tf.nn.l2_normalize(x, axis=1),
    }

    def transform(raw):
        return {name: function(raw["x"]) for name, function in functions.items()}

    content = convert_transform(transform, {"x": NUMBERS}, dict.fromkeys(functions, NUMBERS))
    expected = {name: value.numpy() for name, value in transform({"x": tf.constant(values)}).items()}
    for name, got in Runner(content)({"x": values}).items():
        error = np.abs(got - expected[name]).max(axis=0) / np.abs(expected[name]).max(axis=0)
        assert error.max() <= TOLERANCE / 20


@pytest.mark.parametrize("column", [0, 1, 2])
def test_each_element_has_a_tolerance_of_its_own(third, values, column):
    """An error of a ten-thousandth in the smallest column is far below the rounding of the largest."""
    expected = values / np.float32(3)
    expected[7, column] += 1e-4 * np.abs(expected[:, column]).max()
    with pytest.raises(CompressionError, match="must give 'y' as TensorFlow does, got a difference of"):
        check_front(third, [({"x": values}, {"y": expected})])


def test_what_is_no_number_must_be_so_on_both_sides(third):
    raw = {"x": np.float32([[np.nan, np.inf, 3]])}
    assert check_front(third, [(raw, {"y": np.float32([[np.nan, np.inf, 1]])})]).examples == 1
    for wrong in ([0, np.inf, 1], [np.nan, 5, 1], [np.nan, -np.inf, 1], [np.nan, np.inf, np.nan]):
        with pytest.raises(CompressionError, match="as TensorFlow does"):
            check_front(third, [(raw, {"y": np.float32([wrong])})])


def test_integers_must_be_equal():
    spec = tf.TensorSpec([None, 3], tf.int64)
    content = convert_transform(lambda raw: {"y": raw["x"]}, {"x": spec}, {"y": spec})
    raw = {"x": np.array([[1_000_000, 2, 3]])}
    check_front(content, [(raw, {"y": raw["x"]})])
    with pytest.raises(CompressionError, match=r"got a difference of 1 \(allowed 0\)"):
        check_front(content, [(raw, {"y": raw["x"] + [[1, 0, 0]]})])


def test_no_example_proves_nothing(third):
    with pytest.raises(CompressionError, match="a proof needs real examples, got none"):
        check_front(third, [])


@pytest.fixture(scope="module")
def model(trained, data) -> bytes:
    return convert(trained, QuantizeSettings(mode="int8_io", calibration_examples=50), data.train)


@pytest.fixture(scope="module")
def fronts(model) -> tuple[bytes, bytes]:
    """Photos as they are, and photos a hundredth brighter, as the model reads them."""
    spec = {"photo": IMAGE}, {"image": IMAGE}
    made = (convert_transform(lambda raw, k=k: {"image": raw["photo"] * k}, *spec) for k in (1.0, 1.01))
    same, brighter = (fit(front, model) for front in made)
    return same, brighter


def test_real_examples_prove_the_merged_file(model, fronts, images):
    photos = images[0][:64]
    batches = [({"photo": part}, {"image": part}) for part in np.array_split(photos, 3)]
    proof = check_merged(prepend(fronts[0], model), fronts[0], model, batches)
    assert (proof.examples, proof.rounded_otherwise, proof.max_abs_error) == (64, 0, 0.0)


def test_another_file_is_found_out(model, fronts, images):
    photos = images[0][:64]
    with pytest.raises(CompressionError, match=r"must answer bit for bit .* examples 0 to 63"):
        check_merged(prepend(fronts[1], model), fronts[0], model, [({"photo": photos}, {"image": photos})])


def test_another_transform_is_found_out(model, fronts, images):
    photos = images[0][:64]
    with pytest.raises(CompressionError, match=r"within half a step of TensorFlow's value, got .* steps for 'image'"):
        check_merged(prepend(fronts[1], model), fronts[1], model, [({"photo": photos}, {"image": photos})])


def test_a_value_between_two_steps_may_be_rounded_either_way(model, fronts, images):
    scale, _ = Runner(model).inputs["image"]["quantization"]
    photos = images[0][:8].copy()
    # Halfway between steps 11 and 12, a millionth apart.
    halfway = np.float32(scale * 11.5)
    expected = photos.copy()
    photos[3, 4, 4], expected[3, 4, 4] = halfway * (1 + 1e-6), halfway * (1 - 1e-6)
    proof = check_merged(prepend(fronts[0], model), fronts[0], model, [({"photo": photos}, {"image": expected})])
    assert (proof.examples, proof.rounded_otherwise) == (8, 1)
    # One step of one pixel moves a probability by a few of the output's 256 steps at most.
    assert proof.max_abs_error <= 8 / 256

"""When a file computes what its model computes: sound conversions pass, broken ones do not."""

import copy

import numpy as np
import pytest
import tf_keras as keras

from compression.data import Split
from compression.errors import CompressionError, OutputMismatch
from compression.quantization.converter import convert_whole
from compression.quantization.edge_quantizer import EdgeRequantizer, activation_ranges
from compression.quantization.layer_operators import layer_operators
from compression.quantization.outputs import compare, judge
from compression.quantize import convert
from compression.settings import QuantizeSettings

INT8 = QuantizeSettings(mode="int8", calibration_examples=100)
RANDOM = np.random.default_rng(1)
SCORES = RANDOM.normal(size=(100, 4))
PROBABILITIES = np.eye(5)[RANDOM.integers(5, size=100)] * 0.9 + 0.02


def test_the_error_is_worked_by_hand():
    # Outputs -1 and 1 in turn: their variance is 1. An error of 0.25 everywhere, and 9 in one of twenty.
    expected = np.tile([[-1.0], [1.0]], (10, 1))
    got = expected + 0.25
    got[3] += 9.0
    found = judge(expected, got, "int8")
    assert (found.measure, found.examples) == ("root mean square error", 20)
    assert found.error == pytest.approx(0.25)  # the outlier, one of twenty, is left out
    assert found.allowed == pytest.approx(0.1**0.5, rel=2e-2)  # 19 examples are not quite balanced
    assert found.fits
    got[7] += 9.0  # two of twenty are no outliers
    assert not judge(expected, got, "int8").fits


def test_float_modes_are_held_to_their_largest_error():
    expected = np.array([[0.5, 100.0]])
    assert judge(expected, expected + 0.009, "float32").fits  # 1e-4 of 100
    assert not judge(expected, expected + 0.011, "float32").fits
    assert judge(expected, expected + 3.0, "float16").fits  # 2**-5 of 100 is 3.125
    assert not judge(expected, expected + 3.2, "float16").fits


@pytest.mark.parametrize("mode", ["float32", "float16", "dynamic", "int8", "int16x8", "int4"])
def test_a_single_answer_that_is_no_number_is_a_mismatch(mode):
    got = SCORES.copy()
    got[17, 2] = np.nan
    assert not judge(SCORES, got, mode).fits
    assert judge(SCORES, SCORES, mode).fits


@pytest.mark.parametrize("expected", [SCORES, 1e-3 * SCORES + 7.0, PROBABILITIES], ids=["scores", "offset", "softmax"])
@pytest.mark.parametrize("mode", ["dynamic", "int8", "int8_io", "int16x8", "int4"])
def test_broken_answers_are_seen_at_every_scale(mode, expected):
    spread = expected.std(axis=0)
    assert judge(expected, expected + 0.1 * spread * RANDOM.normal(size=expected.shape), mode).fits
    if spread.max() < np.abs(expected).max() / 256:
        return  # 8 bits cannot tell these outputs apart at all: see below
    constant = np.broadcast_to(expected.mean(axis=0), expected.shape)
    shuffled = RANDOM.permutation(expected)
    saturated = np.clip(expected, None, expected.min() + 0.1 * np.ptp(expected))
    for broken in (constant, shuffled, saturated, -expected, 0 * expected):
        assert not judge(expected, broken, mode).fits


def test_an_error_below_one_8_bit_step_is_no_mismatch():
    # What an untrained classifier answers: 0.1 everywhere, within less than a step of a softmax in 8 bits.
    expected = 0.1 + 1e-3 * RANDOM.normal(size=(100, 10))
    assert judge(expected, np.round(expected * 256) / 256, "int8").fits
    assert not judge(expected, expected + 1.5 / 256, "int8").fits


def _dark(images, share: float) -> Split:
    return Split.from_arrays({"image": share * images[0][:100]}, images[1][:100])


@pytest.fixture(scope="module")
def machine(trained, data) -> EdgeRequantizer:
    """Makes files of the trained model in milliseconds."""
    return _machine(trained, data.train)


def _machine(model: keras.Model, calibration: Split) -> EdgeRequantizer:
    content = convert_whole(model, QuantizeSettings(mode="float32"), calibration)
    return EdgeRequantizer(content, layer_operators(content, [layer.name for layer in model.layers]), INT8, calibration)


def test_sound_conversions_are_far_below_the_limit(machine, trained, data):
    everywhere = {operator.output: "int4" for operator in machine._operators}
    for mode, precisions, share in (("int8", {}, 0.1), ("int4", everywhere, 0.25)):
        found = compare(trained, machine(precisions), mode, data.validation)
        assert 0 < found.error < share * found.allowed


@pytest.mark.parametrize("share", [0.25, 0.1, 0.01])
def test_ranges_of_darker_examples_are_a_mismatch(share, machine, trained, images, data):
    machine = copy.copy(machine)
    machine._ranges = activation_ranges(machine.content, INT8, _dark(images, share))
    assert not compare(trained, machine({}), "int8", data.validation).fits


@pytest.mark.parametrize("layer", ["conv", "digit"])
def test_a_zeroed_kernel_is_a_mismatch(layer, trained, copy_of, data):
    damaged = copy_of(trained)
    weights = damaged.get_layer(layer).get_weights()
    damaged.get_layer(layer).set_weights([0 * weights[0], *weights[1:]])
    assert not compare(trained, _machine(damaged, data.train)({}), "int8", data.validation).fits


def test_the_conversion_raises_with_the_file_at_hand(trained, images):
    class Calibration(Split):
        def take_arrays(self, count):
            features, label = super().take_arrays(count)
            return ({"image": 0.1 * features["image"]} if count == INT8.calibration_examples else features), label

    split = Calibration.from_arrays({"image": images[0][:200]}, images[1][:200])
    with pytest.raises(OutputMismatch, match="int8 file must compute what its Keras model computes") as raised:
        convert(trained, INT8, split)
    assert isinstance(raised.value, CompressionError)
    assert raised.value.content[4:8] == b"TFL3"

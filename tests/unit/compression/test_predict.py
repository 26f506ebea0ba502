import numpy as np
import pytest
import tf_keras as keras

from compression.data import Split
from compression.errors import CompressionError
from compression.predict import TensorInfo, TFLitePredictor, dequantize_array, quantize_array
from compression.quantize import convert
from compression.settings import QuantizeSettings


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.6, 1),  # the stock path truncates this to 0
        (0.5, 1),
        (1.5, 2),
        (2.5, 3),  # half away from zero, not to even
        (-0.5, -1),
        (-0.4, 0),
        (np.nextafter(np.float32(0.5), np.float32(0)), 0),  # adding 0.5 in float32 would round up
        (200.0, 127),  # the stock path wraps around to -56
        (-200.0, -128),
        (np.inf, 127),
    ],
)
def test_steps_are_rounded_half_away_from_zero_and_clipped(value, expected):
    assert quantize_array(np.array([value]), scale=1.0, zero_point=0, dtype=np.int8)[0] == expected


def test_the_zero_point_is_added_after_rounding():
    # 1.3 / 0.5 = 2.6 -> 3, -1.3 / 0.5 = -2.6 -> -3, then 10 is added.
    assert quantize_array(np.array([1.3, -1.3, 0.0]), 0.5, 10, np.uint8).tolist() == [13, 7, 10]


def test_int16_uses_its_own_range():
    assert quantize_array(np.array([40_000.0]), 1.0, 0, np.int16).tolist() == [32_767]


def test_dequantizing_does_not_overflow_the_stored_type():
    # 127 - (-128) = 255 does not fit int8.
    assert dequantize_array(np.array([127, -128], np.int8), 0.5, -128).tolist() == [127.5, 0.0]


def test_a_round_trip_is_off_by_half_a_step_at_most():
    values = np.linspace(-1, 1, 101, dtype=np.float32)
    back = dequantize_array(quantize_array(values, 2 / 255, 0, np.int8), 2 / 255, 0)
    assert np.max(np.abs(back - values)) <= 1 / 255 + 1e-6


@pytest.fixture(scope="module")
def two_inputs() -> tuple[keras.Model, Split]:
    """predictions = [sum(a) + 10 b], so every row tells which features it was made from."""
    a, b = keras.Input((3,), name="a"), keras.Input((1,), name="b")
    output = keras.layers.Dense(1, use_bias=False, name="sum")(keras.layers.Concatenate()([a, b]))
    model = keras.Model([b, a], output)
    model.get_layer("sum").set_weights([np.array([[1.0], [1.0], [1.0], [10.0]], np.float32)])
    features = {"a": np.arange(12, dtype=np.float32).reshape(4, 3), "b": np.arange(4, dtype=np.float32).reshape(4, 1)}
    return model, Split.from_arrays(features, np.zeros(4, np.float32))


@pytest.fixture(scope="module")
def predictor(two_inputs) -> TFLitePredictor:
    return TFLitePredictor(convert(two_inputs[0], QuantizeSettings(mode="float32"), two_inputs[1]), num_threads=1)


def test_features_go_to_the_inputs_of_their_names_in_batches_of_any_size(predictor, two_inputs):
    features, _ = two_inputs[1].take_arrays(4)
    # Rows: 0+1+2+0, 3+4+5+10, 6+7+8+20, 9+10+11+30.
    expected = np.array([[3.0], [22.0], [41.0], [60.0]], np.float32)
    for rows in (slice(0, 4), slice(1, 2), slice(2, 3), slice(0, 3)):
        batch = {name: values[rows] for name, values in features.items()} | {"unused": np.zeros(1)}
        np.testing.assert_array_equal(predictor.predict(batch), expected[rows])


def test_inputs_and_outputs_are_described(predictor):
    assert set(predictor.input_names) == {"a", "b"}
    assert TensorInfo("a", (-1, 3), "float32", 0.0, 0) in predictor.inputs
    assert predictor.outputs == (TensorInfo("sum", (-1, 1), "float32", 0.0, 0),)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"a": np.zeros((2, 3))}, "needs feature 'b', got a"),
        ({"a": np.zeros((2, 4)), "b": np.zeros((2, 1))}, r"'a' must have shape \(batch, 3\), got \(2, 4\)"),
        ({"a": np.zeros((2, 3)), "b": np.zeros(2)}, r"'b' must have shape \(batch, 1\), got \(2,\)"),
        ({"a": np.zeros((2, 3)), "b": np.zeros((1, 1))}, "as many examples"),
    ],
)
def test_wrong_features_are_named(predictor, features, message):
    with pytest.raises(CompressionError, match=message):
        predictor.predict(features)


def test_bytes_that_are_no_model_are_refused():
    with pytest.raises(CompressionError, match="must be a TFLite file"):
        TFLitePredictor(b"no model")

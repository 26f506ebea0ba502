"""Every kernel of a Keras model is found in its file again, whatever the converter made of layer names."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from compression.audit import audit
from compression.data import Split
from compression.kernels import kernels
from compression.locate import layer_in
from compression.quantize import convert
from compression.settings import QuantizeSettings

pytestmark = pytest.mark.methods

layers = keras.layers


def _images() -> keras.Model:
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv_1")(image)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="conv_11")(x)
    x = layers.Conv2D(8, 3, groups=2, padding="same", name="grouped")(x)
    # 3 * 3 * 9 depthwise and 1 * 1 * 9 * 9 pointwise weights: as many.
    x = layers.SeparableConv2D(9, 3, name="separable")(layers.Conv2D(9, 1, name="one")(x))
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depth")(x)
    x = layers.Conv2DTranspose(3, 2, name="transposed")(x)
    x = layers.Dense(6, name="folded_into")(layers.BatchNormalization(name="forward")(layers.Flatten()(x)))
    # Equal kernels are stored once.
    x = layers.Dense(6, kernel_initializer="zeros", name="zero_1")(x)
    x = layers.Dense(6, kernel_initializer="zeros", name="zero_2")(x)
    # The model and one of its layers may have the same name.
    return keras.Model(image, layers.Dense(10, activation="softmax", name="model")(x), name="model")


def _sequences() -> keras.Model:
    series = keras.Input((3, 5), name="series", batch_size=1)
    x = layers.Conv1D(8, 2, padding="same", activation="relu", name="conv")(series)
    # As many units as inputs: kernel and recurrent kernel have the same shape.
    x = layers.LSTM(8, return_sequences=True, name="long")(x)
    x = layers.TimeDistributed(layers.Dense(5), name="each")(layers.GRU(4, return_sequences=True, name="gated")(x))
    return keras.Model(series, layers.Dense(2, name="head")(layers.Flatten()(x)))


def _found(model: keras.Model, tflite: bytes) -> dict[tuple[str, str], int]:
    """Weights of the file by kernel; every weight tensor belongs to some."""
    found: dict[tuple[str, str], int] = {}
    for row in audit(tflite, kernels(model)).weights:
        assert row.kernels, row.name
        for kernel in row.kernels:
            found[kernel] = found.get(kernel, 0) + row.elements
    return found


def _sizes(model: keras.Model) -> dict[tuple[str, str], int]:
    return {(kernel.layer, kernel.weight): kernel.values.size for kernel in kernels(model)}


def test_convolutions_and_dense_layers(data):
    keras.utils.set_random_seed(1)
    model = _images()
    tflite = convert(model, QuantizeSettings(mode="int8", calibration_examples=20), data.train)
    assert _found(model, tflite) == _sizes(model)
    rows = {kernel: row for row in audit(tflite, kernels(model)).weights for kernel in row.kernels}
    assert rows["separable", "depthwise_kernel"].op == "DEPTHWISE_CONV_2D"
    assert rows["separable", "pointwise_kernel"].op == "CONV_2D"
    assert rows["conv_1", "kernel"].shape == (4, 3, 3, 1)
    assert rows["conv_11", "kernel"].shape == (4, 3, 3, 4)
    assert rows["zero_1", "kernel"] is rows["zero_2", "kernel"]


def test_recurrent_layers_whose_names_the_converter_loses():
    keras.utils.set_random_seed(1)
    model = _sequences()
    function = tf.function(lambda series: model(series)).get_concrete_function(tf.TensorSpec((1, 3, 5)))
    tflite = tf.lite.TFLiteConverter.from_concrete_functions([function], model).convert()
    operators = audit(tflite).operators
    assert operators["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 1
    assert operators["WHILE"] == 1
    assert _found(model, tflite) == _sizes(model)


def test_after_quantization_aware_training(aware, data):
    tflite = convert(aware, QuantizeSettings(mode="int8"), data.train)
    assert _found(aware, tflite) == {("hidden", "kernel"): 64 * 16, ("digit", "kernel"): 16 * 10}


def test_a_kernel_that_is_not_in_the_file_is_not_found():
    x = keras.Input((4,), name="x")
    keras.utils.set_random_seed(1)
    model, other = (keras.Model(x, layers.Dense(4, name=name)(x)) for name in ("here", "elsewhere"))
    split = Split.from_arrays({"x": np.ones((2, 4), np.float32)}, np.zeros(2))
    (row,) = audit(convert(model, QuantizeSettings(mode="float32"), split), kernels(other)).weights
    assert row.kernels == ()


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("model/conv_1/Conv2D", "conv_1"),
        ("model/conv_11/Conv2D", None),
        ("sequential/relu/Relu;sequential/conv_1/Conv2D", "conv_1"),
        ("conv_1/Conv2D", "conv_1"),
        ("model/conv_1/inner/MatMul", "conv_1"),
        ("arith.constant7", None),
    ],
)
def test_names_are_paths_of_whole_words(name, layer):
    assert layer_in(name, {"conv_1", "inner"}) == layer

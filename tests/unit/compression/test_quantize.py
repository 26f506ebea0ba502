import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from compression import keras_models
from compression.data import Split
from compression.errors import CompressionError
from compression.predict import TFLitePredictor
from compression.quantize import convert, max_abs_error
from compression.settings import QuantizeSettings

layers = keras.layers


SETTINGS = QuantizeSettings(mode="int8", calibration_examples=50)
SCRIPT = """
import sys, hashlib, numpy as np
from compression import keras_models
from compression.data import Split
from compression.quantize import convert
from compression.settings import QuantizeSettings
split = Split.from_arrays({"image": np.load("pixels.npy")}, np.zeros(50))
settings = QuantizeSettings(mode="int8", calibration_examples=50)
sys.stdout.write(hashlib.sha256(convert(keras_models.load("model"), settings, split)).hexdigest())
"""


@pytest.fixture(scope="module", autouse=True)
def other_process(trained, images, tmp_path_factory) -> Iterator[subprocess.Popen[str]]:
    """Converts the trained model elsewhere while the tests of this module run; imports take most of its time."""
    folder = tmp_path_factory.mktemp("elsewhere")
    keras_models.save(trained, folder / "model")
    np.save(folder / "pixels.npy", images[0][:50])
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "TF_USE_LEGACY_KERAS": "1"}
    command = [sys.executable, "-c", SCRIPT]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("mode", ["float32", "float16", "dynamic", "int16x8"])
def test_trained_ranges_are_for_int8_alone(mode, aware, data):
    with pytest.raises(CompressionError, match=f"must be int8 or int8_io, got {mode}"):
        convert(aware, QuantizeSettings(mode=mode), data.train)


def test_trained_ranges_are_used_and_not_the_calibration_data(aware, images):
    # Pixels of the train split reach 1; calibration on tenfold pixels would give a step of 10 / 255.
    bright = Split.from_arrays({"image": 10 * images[0][:50]}, images[1][:50])
    predictor = TFLitePredictor(convert(aware, QuantizeSettings(mode="int8_io"), bright))
    assert predictor.inputs[0].scale == pytest.approx(1 / 255, rel=1e-3)


def test_calibration_sets_the_input_range(build, data, images):
    bright = Split.from_arrays({"image": 10 * images[0][:50]}, images[1][:50])
    predictor = TFLitePredictor(convert(build("dense"), QuantizeSettings(mode="int8_io"), bright))
    assert predictor.inputs[0].scale == pytest.approx(10 / 255, rel=1e-3)


def test_a_float16_file_whose_weights_overflow_is_refused():
    x = keras.Input((2,), name="x")
    model = keras.Model(x, layers.Dense(1, use_bias=False)(x))
    model.set_weights([np.array([[1e6], [1.0]], np.float32)])  # float16 ends at 65,504
    split = Split.from_arrays({"x": np.ones((4, 2), np.float32)}, np.zeros(4))
    with pytest.raises(CompressionError, match="float16 file must compute what its Keras model computes"):
        convert(model, QuantizeSettings(mode="float16"), split)
    assert max_abs_error(model, convert(model, QuantizeSettings(mode="float32"), split), split, 4) <= 0.1


def test_an_operator_that_tflite_lacks_is_named():
    x = keras.Input((2,), name="x")
    model = keras.Model(x, layers.Dense(1)(layers.Lambda(tf.math.digamma)(x)))
    split = Split.from_arrays({"x": np.ones((4, 2), np.float32)}, np.zeros(4))
    with pytest.raises(CompressionError, match="Digamma"):
        convert(model, QuantizeSettings(mode="float32"), split)


def test_several_inputs_are_calibrated_by_name():
    a, b = keras.Input((3,), name="a"), keras.Input((1,), name="b")
    model = keras.Model([b, a], layers.Dense(1, name="sum")(layers.Concatenate()([layers.Dense(2)(a), b])))
    values = np.linspace(-1, 1, 48, dtype=np.float32)
    split = Split.from_arrays({"a": values.reshape(16, 3), "b": 100 * values[:16].reshape(16, 1)}, np.zeros(16))
    predictor = TFLitePredictor(convert(model, QuantizeSettings(mode="int8_io"), split))
    scales = {info.name: info.scale for info in predictor.inputs}
    assert scales["a"] == pytest.approx(2 / 255, rel=1e-2)
    assert scales["b"] > 20 * scales["a"]


def test_the_same_model_gives_the_same_bytes_in_another_process_from_another_folder(data, trained, other_process):
    digest, errors = other_process.communicate(timeout=120)
    assert other_process.returncode == 0, errors
    assert digest == hashlib.sha256(convert(trained, SETTINGS, data.train)).hexdigest()

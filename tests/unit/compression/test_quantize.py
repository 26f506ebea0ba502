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
from compression.audit import audit
from compression.data import Split, TrainingData
from compression.errors import CompressionError, OutputMismatch
from compression.predict import TFLitePredictor
from compression.quantize import convert, max_abs_error, quantize
from compression.settings import QuantizeSettings

pytestmark = pytest.mark.methods

layers = keras.layers


MIXED = {"conv": "int16x8", "digit": "int4"}
SETTINGS = [
    QuantizeSettings(mode="int8", calibration_examples=50),
    QuantizeSettings(mode="int4"),
    QuantizeSettings(mode="int8", calibration_examples=50, layers={"conv": "float32"}),
    QuantizeSettings(mode="int8_io", calibration_examples=50, layers=MIXED),
]
SCRIPT = """
import sys, hashlib, numpy as np
from compression import keras_models
from compression.audit import audit
from compression.data import Split, TrainingData
from compression.quantize import convert
from compression.settings import QuantizeSettings
split = Split.from_arrays({"image": np.load("pixels.npy")}, np.zeros(50))
model = keras_models.load("model")
for settings in sys.argv[1:]:
    content = convert(model, QuantizeSettings.model_validate_json(settings), split)
    print(hashlib.sha256(content).hexdigest())
"""


@pytest.fixture(scope="module", autouse=True)
def other_process(trained, images, tmp_path_factory) -> Iterator[subprocess.Popen[str]]:
    """Converts the trained model elsewhere while the tests of this module run; imports take most of its time."""
    folder = tmp_path_factory.mktemp("elsewhere")
    keras_models.save(trained, folder / "model")
    np.save(folder / "pixels.npy", images[0][:50])
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "TF_USE_LEGACY_KERAS": "1"}
    environment["PYTHONHASHSEED"] = "7"
    command = [sys.executable, "-c", SCRIPT, *(settings.model_dump_json() for settings in SETTINGS)]
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
    with pytest.raises(OutputMismatch, match="float16 file must compute what its Keras model computes"):
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


@pytest.fixture(scope="module")
def sequences(images) -> Split:
    return Split.from_arrays({"rows": images[0][:100, :, :, 0]}, images[1][:100])


def _recurrent(layer: keras.layers.Layer) -> keras.Model:
    rows = keras.Input((8, 8), name="rows")
    return keras.Model(rows, layers.Dense(10, activation="softmax", name="digit")(layer(rows)))


def test_a_fused_lstm_answers_alike_in_any_order(sequences):
    keras.utils.set_random_seed(1)
    model = _recurrent(layers.LSTM(6))
    model.set_weights([3 * weight for weight in model.get_weights()])  # answers that differ
    data = TrainingData(sequences, sequences, "multiclass", seed=1)
    found = quantize(model, data, QuantizeSettings(mode="int8", calibration_examples=50), metric="accuracy")
    assert found.report["stateful"] is True
    assert audit(found.content).operators["UNIDIRECTIONAL_SEQUENCE_LSTM"] == 1
    assert {row.dtype for row in audit(found.content).weights} == {"int8"}
    features, _ = sequences.take_arrays(40)
    predictor = TFLitePredictor(found.content)
    assert predictor.inputs[0].shape == (1, 8, 8)
    answers = predictor.predict(features)
    backwards = predictor.predict({"rows": features["rows"][::-1]})[::-1]
    np.testing.assert_array_equal(answers, backwards)
    assert np.abs(answers - model(features["rows"]).numpy()).max() < 0.02


def test_a_loop_is_quantized_in_its_weights_and_written_out_for_its_activations(sequences):
    model = _recurrent(layers.SimpleRNN(40, name="memory"))
    dynamic = convert(model, QuantizeSettings(mode="dynamic"), sequences)
    assert audit(dynamic).operators["WHILE"] == 1
    assert {"int8"} < {row.dtype for row in audit(dynamic).weights}
    assert max_abs_error(model, dynamic, sequences, 40) < 0.02
    mixed = QuantizeSettings(mode="int8", layers={"digit": "int16x8"}, calibration_examples=50)
    found = quantize(model, TrainingData(sequences, sequences, "multiclass", seed=1), mixed, metric="accuracy")
    assert "WHILE" not in audit(found.content).operators
    assert {("memory", "int8"), ("digit", "int16x8")} <= {
        (row["layer"], row["precision"]) for row in found.report["layers"]
    }
    assert max_abs_error(model, found.content, sequences, 40) < 0.02


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_one_dimensional_convolutions_and_embeddings(mode, images):
    pixels = images[0][:60].reshape(-1, 64)
    keras.utils.set_random_seed(1)
    levels = keras.Input((64,), name="levels", dtype="int64")
    y = layers.Conv1D(8, 3, strides=2, activation="relu", name="conv")(
        layers.Embedding(17, 4, name="levels_as")(levels)
    )
    model = keras.Model(levels, layers.Dense(10, name="digit")(layers.Flatten()(y)))
    split = Split.from_arrays({"levels": (16 * pixels).astype(np.int64)}, images[1][:60])
    content = convert(model, QuantizeSettings(mode=mode), split)
    assert {row.op: row.dtype for row in audit(content).weights}["CONV_2D"] == mode
    assert audit(content).float_operators == ()
    assert TFLitePredictor(content).inputs[0].dtype == "int64"


def test_the_same_model_gives_the_same_bytes_in_another_process_from_another_folder(data, trained, other_process):
    digest, errors = other_process.communicate(timeout=120)
    assert other_process.returncode == 0, errors
    digests = [hashlib.sha256(convert(trained, settings, data.train)).hexdigest() for settings in SETTINGS]
    assert digest.split() == digests

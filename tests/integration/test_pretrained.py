"""Models that were trained elsewhere, in every format, through real pipelines on the digits."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits
from tensorflow import keras

from compression import keras_models
from compression.predict import TFLitePredictor
from pipeline.config import load
from pipeline.errors import UserError
from pipeline.forecast import make_forecast
from pipeline.plan import make_plan

pytestmark = pytest.mark.integration

layers = keras.layers

MODULE = """
import tensorflow as tf


def preprocessing_fn(inputs):
    return {"image": tf.reshape(tf.cast(inputs["image"], tf.float32), [-1, 8, 8, 1]), "label": inputs["label"]}
"""

STRANGE = """
import tensorflow as tf
from tensorflow import keras


def preprocessing_fn(inputs):
    return inputs


def build_model(hparams):
    image = keras.Input((8, 8, 1), name="image")
    rows = keras.layers.Reshape((8, 8), name="rows")(image)
    x = keras.layers.Conv1D(16, 3, activation="relu", name="rows_conv")(rows)
    x = keras.layers.Flatten(name="flat")(x)
    return keras.Model(image, keras.layers.Dense(10, activation="softmax", name="digit")(x))
"""

INT8 = {"quantize": {"mode": "int8"}}
QUICK = {"epochs": 1, "batch_size": 32, "learning_rate": 0.003}


@pytest.fixture(scope="module")
def pixels():
    values, labels = load_digits(return_X_y=True)
    return values.astype(np.float32).reshape(-1, 8, 8, 1), labels


@pytest.fixture(scope="module")
def elsewhere(pixels, tmp_path_factory):
    """A folder with one convolutional model in three formats, and a recurrent one; both read pixels of 0 to 16."""
    folder = tmp_path_factory.mktemp("elsewhere")
    image = keras.Input((8, 8, 1), name="pixels")
    x = layers.Rescaling(1 / 16, name="scale")(image)
    x = layers.Conv2D(8, 3, activation="relu", name="conv")(x)
    x = layers.Flatten(name="flat")(layers.MaxPooling2D(name="pool")(x))
    model = _trained(keras.Model(image, layers.Dense(10, activation="softmax", name="digit")(x)), pixels)
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")
    module = tf.Module()
    module.kept = model
    serve = keras_models.serving_function(model)
    tf.saved_model.save(module, str(folder / "saved_model"), signatures={"serving_default": serve})
    image = keras.Input((8, 8, 1), name="image")
    x = layers.LSTM(16, name="lstm")(layers.Reshape((8, 8), name="rows")(layers.Rescaling(1 / 16, name="scale")(image)))
    x = layers.Dense(16, activation="relu", name="hidden")(x)
    model = _trained(keras.Model(image, layers.Dense(10, activation="softmax", name="digit")(x)), pixels)
    model.save(folder / "recurrent.keras")
    return folder


def _trained(model, pixels):
    keras.utils.set_random_seed(1)
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
    model.fit(*pixels, epochs=8, batch_size=32, verbose=0)
    return model


@pytest.fixture
def config_of(make_config, elsewhere, tmp_path):
    def make(name, variants, **model):
        section = {"pretrained": str(elsewhere / name), "module": None, "hparams": None, **model}
        return make_config(tmp_path, model=section, train=None, variants=variants)

    return make


def statuses(finished):
    return {variant["name"]: variant["status"] for variant in finished.summary["variants"]}


def test_a_keras_file_is_pruned_and_pushed_without_a_module(config_of, run_here, pixels):
    """The data hold `image`, the model reads `pixels`: its only input is fed with the only feature."""
    config = config_of("model.keras", {"int8": [INT8], "pruned": [{"prune": {**QUICK, "sparsity": 0.5}}, INT8]})
    foretold = make_forecast(load(config), make_plan(load(config)))
    finished = run_here(config)
    assert statuses(finished) == {"int8": "passed", "pruned": "passed"}
    nodes = {node["id"] for node in finished.summary["nodes"]}
    assert "pretrained" in nodes
    assert "trainer" not in nodes
    assert finished.summary["baseline"]["value"] > 0.9
    predictor = TFLitePredictor((tf.io.gfile.GFile(f"{finished.summary['pushed']['path']}/model.tflite", "rb")).read())
    assert predictor.input_names == ("pixels",)
    answers = predictor.predict({"pixels": pixels[0]}).argmax(axis=1)
    assert np.mean(answers == pixels[1]) > 0.9
    assert foretold.faults == ()
    for seen, real in zip(foretold.variants, finished.summary["variants"], strict=True):
        # Scales are all that training changes in the raw size. These weights were trained already.
        assert seen.size_bytes == pytest.approx(real["size_bytes"], rel=0.005)
        assert seen.gzip_bytes_estimate == pytest.approx(real["gzip_bytes"], rel=0.1)
    assert foretold.baseline.size_bytes == finished.summary["baseline"]["size_bytes"]
    again = run_here(config)
    assert {node["id"] for node in again.summary["nodes"] if not node["cached"]} == {"edge-pusher", "summary"}


def test_a_saved_model_without_keras_metadata_is_quantized_and_pushed(config_of, run_here):
    finished = run_here(config_of("saved_model", {"int8": [INT8]}))
    assert statuses(finished) == {"int8": "passed"}
    assert finished.summary["status"] == "pushed"


def test_training_steps_refuse_it_before_anything_runs_with_their_line(config_of, run_here, run_cli, tmp_path):
    variants = {"int8": [INT8], "pruned": [{"prune": {"sparsity": 0.5}}, INT8]}
    config = config_of("saved_model", variants)
    line = 1 + next(i for i, row in enumerate(config.read_text().splitlines()) if row == "  pruned:")
    message = f"{config}:{line}: variants.pruned: prune 50%: prune needs a model of Keras layers, got a SavedModel"
    with pytest.raises(UserError, match=re.escape(message)):
        run_here(config)
    done = run_cli("plan", "--check", config, "--json")
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert "quantize alone can take" in done.stderr
    assert not list(tmp_path.glob("workspace/runs/*"))
    works = {variant["name"]: variant["works"] for variant in json.loads(done.stdout)["check"]["variants"]}
    assert works == {"int8": True, "pruned": False}


def test_the_check_for_people_fits_80_columns_and_names_every_obstacle(tmp_path, make_config, run_cli):
    (tmp_path / "strange_model.py").write_text(STRANGE)
    variants = {
        "int8": [INT8],
        "qat": [{"qat": {"unsupported_layers": "float"}}, INT8],
        "refused": [{"qat": {"epochs": 1}}, {"quantize": {"mode": "int8_io"}}],
    }
    config = make_config(tmp_path, model={"module": "strange_model", "hparams": None}, variants=variants)
    done = run_cli("plan", "--check", config, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "variants.refused: qat: qat must be able to quantize every layer, but cannot take rows_conv" in done.stderr
    text = done.stdout[done.stdout.index("strange_model: ") :]
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    words = " ".join(text.split())
    assert "strange_model: 1,370 parameters reads image [8, 8, 1]; answers digit [10]" in words
    assert "not rows_conv (Conv1D: not supported by tfmot) try: write Conv1D as Conv2D" in words
    assert re.search(r"int8 \d,\d{3} bytes, after gzip about \d,\d{3} quantize int8 int8: rows, rows_conv, flat", words)
    assert "refused cannot work qat qat must be able" in words


def test_a_recurrent_model_with_a_module_for_its_features(config_of, run_here, tmp_path, monkeypatch):
    (tmp_path / "pixel_features.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    variants = {"qat": [{"qat": {**QUICK, "unsupported_layers": "float"}}, INT8]}
    finished = run_here(config_of("recurrent.keras", variants, module="pixel_features"), end="quantize-qat")
    assert {node["status"] for node in finished.summary["nodes"]} == {"complete"}
    steps = next((tmp_path / "workspace" / "artifacts" / "quantize-qat" / "compressed").glob("*/steps.json"))
    qat, quantize = json.loads(steps.read_text())
    assert qat["left_float"] == ["scale", "lstm"]
    # The two kernels of the recurrent layer stay float, the dense layers behind it do not.
    assert [row["dtype"] for row in quantize["audit"]["weights"]] == ["float32", "float32", "int8", "int8"]

"""Models that were trained elsewhere, in every format, through real pipelines on the digits."""

import json

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits
from tensorflow import keras

from compression import keras_models
from compression.predict import TFLitePredictor

pytestmark = pytest.mark.integration

layers = keras.layers

MODULE = """
import tensorflow as tf


def preprocessing_fn(inputs):
    return {"image": tf.reshape(tf.cast(inputs["image"], tf.float32), [-1, 8, 8, 1]), "label": inputs["label"]}
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
    again = run_here(config)
    assert {node["id"] for node in again.summary["nodes"] if not node["cached"]} == {"edge-pusher", "summary"}


def test_a_saved_model_without_keras_metadata_is_quantized_and_pushed(config_of, run_here):
    variants = {mode: [{"quantize": {"mode": mode}}] for mode in ("float16", "int8")}
    finished = run_here(config_of("saved_model", variants))
    assert statuses(finished) == {"float16": "passed", "int8": "passed"}
    assert finished.summary["status"] == "pushed"


def test_training_steps_refuse_it_before_anything_runs_with_their_line(config_of, run_cli, tmp_path):
    variants = {"int8": [INT8], "pruned": [{"prune": {"sparsity": 0.5}}, INT8]}
    config = config_of("saved_model", variants)
    line = 1 + next(i for i, row in enumerate(config.read_text().splitlines()) if row == "  pruned:")
    for command in (["run"], ["plan", "--check"]):
        done = run_cli(*command, config, "--json")
        assert done.returncode == 2
        assert f"{config}:{line}: variants.pruned: prune 50%: prune needs a model of Keras layers" in done.stderr
        assert "quantize alone can take" in done.stderr
    assert not list(tmp_path.glob("workspace/runs/*"))


def test_a_recurrent_h5_or_keras_file_with_a_module_for_its_features(
    config_of, run_here, elsewhere, tmp_path, monkeypatch
):
    (tmp_path / "pixel_features.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    variants = {"int8": [INT8], "qat": [{"qat": {**QUICK, "unsupported_layers": "float"}}, INT8]}
    finished = run_here(config_of("recurrent.keras", variants, module="pixel_features"))
    assert statuses(finished) == {"int8": "passed", "qat": "passed"}
    steps = next((tmp_path / "workspace" / "artifacts" / "quantize-qat" / "compressed").glob("*/steps.json"))
    qat, quantize = json.loads(steps.read_text())
    assert qat["left_float"] == ["scale", "rows", "lstm"]
    # The two kernels of the recurrent layer stay float, the dense layers behind it do not.
    assert [row["dtype"] for row in quantize["audit"]["weights"]] == ["float32", "float32", "int8", "int8"]

"""Models that were trained elsewhere, in every format, and what is said of those that cannot be taken."""

import json
import shutil
import zipfile

import h5py
import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from compression import keras_models
from compression.audit import audit
from compression.errors import CompressionError
from compression.pretrained import load_pretrained
from compression.prune import prune
from compression.qat import plan_layers
from compression.quantize import convert
from compression.settings import PruneSettings, QatSettings, QuantizeSettings

layers = keras.layers


def _export(model: keras.Model, folder) -> None:
    """What a program without Keras would save: variables and a signature."""
    module = tf.Module()
    module.kept = model
    tf.saved_model.save(module, str(folder), signatures={"serving_default": keras_models.serving_function(model)})


def _save(*functions: tf.types.experimental.GenericFunction, folder, module: tf.Module, **named) -> None:
    tf.saved_model.save(module, str(folder), signatures={f"f{i}": f for i, f in enumerate(functions)} | named)


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    """The trained model in every format, by name; the folder with the SavedModels is gone when tests read it."""
    folder = tmp_path_factory.mktemp("saved")
    trained.save(folder / "model.keras")
    trained.save(folder / "model.h5")
    trained.save(folder / "with_metadata", save_format="tf")
    _export(trained, folder / "without_metadata")
    loaded = {path.name: load_pretrained(path) for path in sorted(folder.iterdir())}
    shutil.rmtree(folder)
    return loaded


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "with_metadata", "without_metadata"])
def test_every_format_answers_as_the_model_that_was_saved(name, saved, trained, images):
    model = saved[name]
    keras_models.check_model(model, task="multiclass", feature_names={"image"})
    assert keras_models.is_opaque(model) == (name == "without_metadata")
    # Inside a graph TensorFlow folds the normalization into the convolution, which rounds otherwise.
    rounding = 1e-6 if name == "without_metadata" else 0
    np.testing.assert_allclose(model(images[0][:50]), trained(images[0][:50]), rtol=0, atol=rounding)


def test_a_saved_model_without_keras_metadata_goes_where_every_model_goes(saved, trained, images, data, tmp_path):
    """As an artifact, and as a TFLite file, without the folder that it came from."""
    keras_models.save(saved["without_metadata"], tmp_path / "artifact")
    loaded = keras_models.load(tmp_path / "artifact")
    assert keras_models.is_opaque(loaded)
    np.testing.assert_allclose(loaded(images[0][:50]), trained(images[0][:50]), rtol=0, atol=1e-6)
    settings = QuantizeSettings(mode="int8_io", calibration_examples=50)
    assert _weights(convert(loaded, settings, data.train)) == _weights(convert(trained, settings, data.train))


def _weights(tflite: bytes) -> list[tuple]:
    return sorted((row.op, row.dtype, row.shape, row.distinct) for row in audit(tflite).weights)


def test_a_saved_model_without_keras_metadata_is_for_quantize_alone(saved, data):
    model = saved["without_metadata"]
    assert model.input_names == ["image"]
    assert model.output_names == ["digit"]
    message = "needs a model of Keras layers, got a SavedModel without them, which quantize alone can take; save"
    with pytest.raises(CompressionError, match=f"^prune {message}"):
        prune(model, data, PruneSettings(sparsity=0.5))
    with pytest.raises(CompressionError, match=f"^qat {message}"):
        plan_layers(model, QatSettings())


def test_a_copy_of_a_saved_model_shares_no_weights_with_it(saved, images):
    model = saved["without_metadata"]
    before = model(images[0][:8]).numpy()
    twin = keras_models.copy(model)
    np.testing.assert_array_equal(twin(images[0][:8]), before)
    twin.set_weights([np.zeros_like(weight) for weight in twin.get_weights()])
    np.testing.assert_array_equal(model(images[0][:8]), before)
    assert np.ptp(twin(images[0][:8])) == 0


def _transfer(training: bool | None) -> keras.Model:
    """A base, a stem and a head as people stack them, with names that clash."""
    base_image = keras.Input((8, 8, 4), name="base_image")
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(6, 3, use_bias=False, name="conv")(base_image))
    y = layers.Dropout(0.5, name="drop")(layers.Conv2D(6, 3, padding="same", name="branch")(x))
    base = keras.Model(base_image, layers.Add(name="add")([x, y]), name="base")
    stem = keras.Sequential([layers.Conv2D(4, 1, name="conv", input_shape=(8, 8, 1))], name="stem")
    head = keras.Sequential([layers.Dropout(0.2, name="drop"), layers.Dense(3, name="scores")], name="head")
    image = keras.Input((8, 8, 1), name="image")
    features = base(stem(image)) if training is None else base(stem(image), training=training)
    scores = head(layers.GlobalAveragePooling2D(name="mean")(features))
    model = keras.Model(image, layers.Softmax(name="kind")(scores))
    # Statistics that are not those of a new layer.
    model.set_weights([weight + 0.1 * (index + 1) for index, weight in enumerate(model.get_weights())])
    return model


@pytest.mark.parametrize("training", [None, False])
def test_models_inside_are_taken_apart(training, images, tmp_path):
    model = _transfer(training)
    model.save(tmp_path / "model.keras")
    loaded = load_pretrained(tmp_path / "model.keras")
    assert keras_models.nested_models(loaded) == []
    assert (loaded.input_names, loaded.output_names) == (["image"], ["kind"])
    np.testing.assert_allclose(loaded(images[0][:50]), model(images[0][:50]), rtol=0, atol=1e-6)
    names = ["image", "conv", "base_conv", "norm", "branch", "drop", "add", "mean", "head_drop", "scores", "kind"]
    if training is False:  # the base's dropout does nothing, and its normalization learns nothing
        names.remove("drop")
    assert sorted(layer.name for layer in loaded.layers) == sorted(names)
    assert loaded.get_layer("norm").trainable == (training is None)
    assert len(plan_layers(loaded, QatSettings()).quantized) == len(names) - 1


@keras.saving.register_keras_serializable("test")
class _Halved(layers.Layer):
    def call(self, inputs):
        return inputs / 2


def test_layers_of_the_users_own_are_taken_as_part_of_a_saved_model(tmp_path):
    x = keras.Input((4,), name="x")
    model = keras.Model(x, layers.Dense(1, name="y")(_Halved()(x)))
    model.save(tmp_path / "model", save_format="tf")
    loaded = load_pretrained(tmp_path / "model")
    assert keras_models.is_opaque(loaded)
    values = np.arange(8, dtype=np.float32).reshape(2, 4)
    np.testing.assert_array_equal(loaded(values), model(values))


class _Module(tf.Module):
    """Two inputs in no alphabetical order, a variable that is not float, a constant, a loop."""

    def __init__(self):
        super().__init__()
        self.weight = tf.Variable([[1.0], [2.0]])
        self.times = tf.Variable(3, dtype=tf.int64)
        self.shift = tf.constant([0.5])
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(tf.constant([0, 1], tf.int64), tf.constant([5.0, 6.0])), 0.0
        )

    @tf.function(input_signature=[tf.TensorSpec([None, 2], name="b"), tf.TensorSpec([None, 1], name="a-0")])
    def plain(self, b, a):
        step = tf.reshape(a, [-1, 1])
        total = tf.zeros_like(step)
        for _ in tf.range(self.times):
            total += step
        return {"sum of": tf.identity(tf.sigmoid(b @ self.weight + self.shift - total))}

    @tf.function(input_signature=[tf.TensorSpec([None, 1], tf.int64, name="x")])
    def looks_up(self, x):
        return {"y": self.table.lookup(x)}

    @tf.function(input_signature=[tf.TensorSpec([1, 2], name="x")])
    def one_example(self, x):
        return {"y": x @ self.weight}

    @tf.function(input_signature=[tf.TensorSpec([None, None], name="x")])
    def any_size(self, x):
        return {"y": tf.reduce_sum(x, axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None, 2], name="x")])
    def two_outputs(self, x):
        return {"y": x @ self.weight, "z": x}


def test_a_signature_becomes_a_model_with_its_names_whatever_it_computes(tmp_path):
    module = _Module()
    _save(module.plain, module=module, folder=tmp_path)
    model = load_pretrained(tmp_path)
    assert model.input_names == ["a-0", "b"]
    assert model.output_names == ["sum_of"]  # a layer's name has no spaces
    assert keras_models.output_activation(model) == "sigmoid"
    keras_models.check_model(model, task="binary")
    features = {"a-0": np.array([[0.1], [0.2]], np.float32), "b": np.array([[1, 2], [3, 4]], np.float32)}
    # b @ [1, 2] + 0.5 - 3 * a
    expected = 1 / (1 + np.exp(-np.array([[5 + 0.5 - 0.3], [11 + 0.5 - 0.6]])))
    np.testing.assert_allclose(model(features), expected, rtol=1e-6)
    keras_models.save(model, tmp_path / "artifact")
    np.testing.assert_allclose(keras_models.load(tmp_path / "artifact")(features), expected, rtol=1e-6)


def test_serving_default_is_preferred_to_other_signatures(tmp_path):
    module = _Module()
    _save(module.plain, module=module, folder=tmp_path, serving_default=module.looks_up)
    with pytest.raises(CompressionError, match="no state but its variables, got a lookup table"):
        load_pretrained(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["plain", "any_size"], r"a signature serving_default, or one signature alone, got f0, f1; save it with sig"),
        (["looks_up"], r"no state but its variables, got a lookup table or another resource; save .* preprocessing_fn"),
        (["one_example"], r"the shape \(None, ...\), got \(1, 2\) for x; save the signature for a batch of any size"),
        (["any_size"], r"a fixed size but for the batch, got \(None, None\) for x"),
        (["two_outputs"], r"exactly one output, got y, z; save one that returns what is to be predicted alone"),
    ],
)
def test_signatures_that_cannot_become_a_model_are_refused_with_a_remedy(names, message, tmp_path):
    module = _Module()
    _save(*(getattr(module, name) for name in names), module=module, folder=tmp_path)
    with pytest.raises(CompressionError, match=message):
        load_pretrained(tmp_path)


def test_logits_are_told_how_to_become_probabilities(tmp_path):
    x = keras.Input((4,), name="x")
    model = keras.Model(x, layers.Dense(3, name="scores")(x))
    model.save(tmp_path / "model.keras")
    _export(model, tmp_path / "model")
    for name, got in (("model.keras", "linear"), ("model", "BiasAdd")):
        with pytest.raises(CompressionError, match=rf"end in softmax, got {got} in layer 'scores'; .*Activation\("):
            keras_models.check_model(load_pretrained(tmp_path / name), task="multiclass")


def test_a_file_that_keras_3_saved_is_told_what_to_do(tmp_path):
    # Keras 3 takes a second to import; what tells its files is in these two places.
    with zipfile.ZipFile(tmp_path / "new.keras", "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
    with h5py.File(tmp_path / "new.h5", "w") as file:
        file.attrs["keras_version"] = "3.15.1"
    for name in ("new.keras", "new.h5"):
        with pytest.raises(CompressionError, match=rf"{name}, saved by Keras 3.15.1; write model.export\(FOLDER\)"):
            load_pretrained(tmp_path / name)


def test_what_is_no_model_is_refused(trained, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "saved_model.pb").write_bytes(b"no graph")
    (tmp_path / "text.h5").write_text("no model")
    (tmp_path / "text.keras").write_text("no model")
    (tmp_path / "model.pt").write_bytes(b"")
    trained.save_weights(tmp_path / "weights.h5")
    messages = {
        "none.keras": "must be a .keras or .h5 or .hdf5 file or the folder of a SavedModel, got .* does not exist",
        "model.pt": "got the file .*model.pt; save it in one of these formats",
        "empty": "must hold saved_model.pb, got .*empty without it",
        "broken": "must be readable, but .*broken raised",
        "text.h5": "must be a readable .h5 file, got .*text.h5, damaged or something else",
        "text.keras": "must be a readable .keras file, got .*text.keras, damaged or something else",
        "weights.h5": "must load in tf_keras, but .*weights.h5 raised ValueError: No model config found",
    }
    for name, message in messages.items():
        with pytest.raises(CompressionError, match=message):
            load_pretrained(tmp_path / name)


def test_unknown_layers_in_a_file_are_named_with_a_remedy(tmp_path):
    class Own(layers.Layer):
        pass

    x = keras.Input((4,), name="x")
    keras.Model(x, layers.Dense(1)(Own()(x))).save(tmp_path / "model.h5")
    with pytest.raises(
        CompressionError, match=r"Unknown layer: 'Own'.*save layers of your own as part of a SavedModel"
    ):
        load_pretrained(tmp_path / "model.h5")

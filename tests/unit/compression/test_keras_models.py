import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from compression import keras_models
from compression.errors import CompressionError
from compression.keras_models import check_model, nested_models, output_activation, shared_layers

layers = keras.layers


def _model(*stack: keras.layers.Layer, width: int = 4) -> keras.Model:
    x = source = keras.Input((width,), name="x")
    for layer in stack:
        x = layer(x)
    return keras.Model(source, x)


class _Doubled(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs


class _Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.head = layers.Dense(2, activation="softmax")

    def call(self, inputs):
        return self.head(inputs)


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("multiclass", lambda: _model(layers.Dense(3, activation="softmax"))),
        ("multiclass", lambda: _model(layers.Dense(3), layers.Softmax())),
        ("multiclass", lambda: _model(layers.Dense(3), layers.Activation("softmax"))),
        ("multiclass", lambda: _model(layers.Dense(3), tf.nn.softmax)),
        ("binary", lambda: _model(layers.Dense(1, activation="sigmoid"))),
        ("regression", lambda: _model(layers.Dense(1))),
        ("regression", lambda: keras.Sequential([layers.Dense(1, input_shape=(4,))])),
    ],
)
def test_models_that_fit_pass(task, model):
    check_model(model(), task=task)


@pytest.mark.parametrize(
    ("task", "model", "message"),
    [
        ("binary", lambda: "model", "must return a tf_keras model, got str"),
        ("binary", lambda: None, "got NoneType"),
        ("multiclass", _Subclassed, "got the subclassed model _Subclassed; build it with the functional API"),
        ("regression", lambda: keras.Sequential([layers.Dense(1)]), "must know its input shape"),
        ("regression", lambda: _model(_Doubled(name="twice"), layers.Dense(1)), "got _Doubled as layer 'twice'"),
        ("multiclass", lambda: _model(_Subclassed()), "got the subclassed model _Subclassed as layer"),
        ("multiclass", lambda: _model(layers.Dense(1)), r"\(None, C\) with C >= 2 classes, got \(None, 1\)"),
        ("binary", lambda: _model(layers.Dense(2)), r"shape \(None, 1\), got \(None, 2\)"),
        ("multiclass", lambda: _model(layers.Dense(3, name="head")), "end in softmax, got linear in layer 'head'"),
        ("binary", lambda: _model(layers.Dense(1, activation="softmax")), "end in sigmoid, got softmax"),
    ],
)
def test_models_that_do_not_fit_are_refused_with_a_remedy(task, model, message):
    with pytest.raises(CompressionError, match=message):
        check_model(model(), task=task)


def test_a_keras_3_model_is_told_how_to_become_a_tf_keras_one():
    import keras as keras3  # here alone: it takes a second to import

    model = keras3.Sequential([keras3.Input((4,)), keras3.layers.Dense(1)])
    with pytest.raises(CompressionError, match=r"got a Keras 3 model.*TF_USE_LEGACY_KERAS=1.*import tf_keras"):
        check_model(model, task="regression")


def test_inputs_must_be_features():
    model = _model(layers.Dense(1))
    check_model(model, task="regression", feature_names={"x", "y"})
    with pytest.raises(CompressionError, match=r"transformed feature \(y, z\), got x; write keras.Input"):
        check_model(model, task="regression", feature_names={"y", "z"})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (lambda: keras.Input(batch_shape=(1, 4), name="x"), r"batches of any size, got the shape \(1, 4\) for x"),
        (lambda: keras.Input((None, 4), name="x"), r"a fixed size but for the batch, got the shape \(None, None, 4\)"),
    ],
)
def test_inputs_of_other_sizes_than_the_batch_are_fixed(source, message):
    x = source()
    model = keras.Model(x, layers.Dense(1)(layers.GlobalAveragePooling1D()(x) if len(x.shape) == 3 else x))
    with pytest.raises(CompressionError, match=message):
        check_model(model, task="regression")


def test_two_outputs_are_refused():
    x = keras.Input((4,), name="x")
    model = keras.Model(x, [layers.Dense(1, name="a")(x), layers.Dense(1, name="b")(x)])
    with pytest.raises(CompressionError, match=r"exactly one output, got 2 \(a, b\)"):
        check_model(model, task="regression")


def test_shared_layers_and_nested_models_are_found_by_name(build):
    assert shared_layers(build("shared")) == ["tied"]
    assert shared_layers(build("residual")) == []
    assert nested_models(_model(_model(layers.Dense(4)), layers.Dense(1))) != []
    # A second model over the same layers calls them again, but not inside the first.
    model = build("conv_bn_relu")
    keras.Model(model.inputs, model.get_layer("pool")(model.get_layer("relu").output))
    assert shared_layers(model) == []


@pytest.mark.parametrize("architecture", ["conv_bn_relu", "dense", "shared"])
def test_a_plain_model_survives_saving_and_loading(architecture, build, images, tmp_path):
    model = build(architecture)
    keras_models.save(model, tmp_path / "model")
    loaded = keras_models.load(tmp_path / "model")
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in model.layers]
    assert shared_layers(loaded) == shared_layers(model)
    np.testing.assert_array_equal(loaded(images[0][:8]), model(images[0][:8]))
    check_model(loaded, task="multiclass")


def test_the_signature_takes_features_by_name_in_batches_of_any_size(tmp_path):
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    model = keras.Model([b, a], layers.Dense(1, name="sum")(layers.Concatenate()([a, b])))
    keras_models.save(model, tmp_path / "model")
    serve = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    inputs = serve.structured_input_signature[1]
    assert {name: spec.shape.as_list() for name, spec in inputs.items()} == {"a": [None, 3], "b": [None, 2]}
    assert list(serve.structured_outputs) == ["sum"]


def test_a_copy_shares_nothing(build):
    model = build("conv_bn_relu")
    before = model.get_weights()
    twin = keras_models.copy(model)
    twin.set_weights([value + 1 for value in before])
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)


def test_the_activation_of_a_layer_without_one_is_empty():
    assert output_activation(_model(layers.Flatten())) == ""


def test_a_model_is_saved_without_functions_that_nobody_calls(tmp_path):
    """They take three quarters of the time of saving and loading; the signature alone is for others to call."""
    model = keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(2, name="dense")])
    keras_models.save(model, tmp_path / "model")
    assert b"dense_layer_call_fn" not in (tmp_path / "model" / "saved_model.pb").read_bytes()
    signature = tf.saved_model.load(str(tmp_path / "model")).signatures[keras_models.SIGNATURE]
    x = np.array([[1.0, 2.0, 3.0]], np.float32)
    np.testing.assert_allclose(signature(x=x)["dense"], model(x))


def test_a_model_with_an_activation_of_the_users_own_loads_where_nobody_knows_it(tmp_path):
    @keras.saving.register_keras_serializable("users")
    def half(x):
        return x / 2

    model = keras.Sequential([keras.Input((3,), name="x"), keras.layers.Dense(2, activation=half, name="dense")])
    keras_models.save(model, tmp_path / "model")
    assert keras.utils.get_custom_objects().pop("users>half") is half
    loaded = keras_models.load(tmp_path / "model")
    x = np.array([[1.0, 2.0, 3.0]], np.float32)
    np.testing.assert_allclose(loaded(x), model(x))

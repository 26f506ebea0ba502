"""Models that are built alike, and the first thing that tells others apart; also after a round trip over the disk."""

import re

import numpy as np
import pytest
import tf_keras as keras

from compression import keras_models
from compression.architecture import first_difference, take_weights


def build(units=4, *, rate=0.1, name=None, activation="relu", seed=1, join="Add", inputs="x", size=3):
    """Two branches that meet; Keras numbers the layers without a name."""
    x = keras.Input((size,), name=inputs)
    initializer = keras.initializers.GlorotUniform(seed)
    left = keras.layers.Dense(units, kernel_initializer=initializer, name=name)(x)
    right = keras.layers.Dense(units, activation=activation)(x)
    y = getattr(keras.layers, join)()([left, right])
    y = keras.layers.Dropout(rate, seed=seed)(keras.layers.BatchNormalization()(y))
    return keras.Model(x, keras.layers.Dense(2, activation="softmax")(y * 2.0))


def two_outputs(one, other):
    x = keras.Input((3,), name="x")
    heads = [keras.layers.Dense(1, activation="sigmoid", name=name)(x) for name in (one, other)]
    return keras.Model(x, heads)


def nested(units):
    inner = keras.Sequential([keras.layers.Dense(units), keras.layers.Dense(2)])
    x = keras.Input((3,), name="x")
    return keras.Model(x, keras.layers.Softmax()(inner(x)))


def sequential(units):
    layers = [keras.layers.InputLayer((3,), name="x"), keras.layers.Dense(units), keras.layers.Dense(2)]
    return keras.Sequential([*layers, keras.layers.Softmax()])


def recurrent(units):
    x = keras.Input((5, 3), name="x")
    return keras.Model(x, keras.layers.Dense(2)(keras.layers.Bidirectional(keras.layers.LSTM(units))(x)))


@pytest.mark.parametrize("make", [build, nested, sequential, recurrent])
def test_alike_are_models_of_the_same_code_whatever_keras_numbers(make, tmp_path):
    keras_models.save(make(4), tmp_path / "model")
    saved = keras_models.load(tmp_path / "model")
    fresh = make(4)
    assert [layer.name for layer in fresh.layers] != [layer.name for layer in saved.layers]
    assert first_difference(fresh, saved) is None
    assert first_difference(make(5), saved) is not None


def test_names_initializers_and_seeds_of_layers_do_not_count():
    assert first_difference(build(name="one", seed=1), build(name="other", seed=2)) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"units": 5}, "units is 4 here, 5 there"),
        ({"rate": 0.2}, "rate is 0.1 here, 0.2 there"),
        ({"activation": "tanh"}, 'activation is "relu" here, "tanh" there'),
        ({"join": "Multiply"}, "an? Add here, a Multiply there"),
        ({"inputs": "y"}, r"the inputs are x \(3,\) here, y \(3,\) there"),
        ({"size": 7}, r"the inputs are x \(3,\) here, x \(7,\) there"),
    ],
)
def test_the_first_difference_is_named(change, said):
    assert re.search(said, first_difference(build(), build(**change)))


def test_other_connections_between_the_same_layers_are_a_difference():
    def chain(skip):
        x = keras.Input((3,), name="x")
        a = keras.layers.Dense(3)(x)
        b = keras.layers.Dense(3)(a)
        return keras.Model(x, keras.layers.Add()([b, x if skip else a]))

    assert "inbound_nodes" in first_difference(chain(skip=True), chain(skip=False))


def test_a_layer_more_is_a_difference():
    def deep(layers):
        x = y = keras.Input((3,), name="x")
        for _ in range(layers):
            y = keras.layers.Dense(3)(y)
        return keras.Model(x, y)

    assert first_difference(deep(3), deep(2)) == "there are 4 layers here, 3 there"


def test_outputs_are_told_apart_by_name():
    assert first_difference(two_outputs("a", "b"), two_outputs("a", "b")) is None
    assert first_difference(two_outputs("a", "b"), two_outputs("b", "a")) == (
        "the outputs are a (1,), b (1,) here, b (1,), a (1,) there"
    )


def test_weights_taken_are_weights_had(tmp_path):
    keras_models.save(build(seed=2), tmp_path / "model")
    saved, fresh = keras_models.load(tmp_path / "model"), build(seed=1)
    x = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    assert not np.allclose(fresh.predict(x, verbose=0), saved.predict(x, verbose=0))
    take_weights(fresh, saved)
    # The same operations in the same order: not a bit may differ.
    np.testing.assert_array_equal(fresh.predict(x, verbose=0), saved.predict(x, verbose=0))

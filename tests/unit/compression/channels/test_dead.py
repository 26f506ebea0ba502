"""Channels that say the same whatever the input: what they say, worked by hand, and who can do without them."""

import numpy as np
import pytest
import tf_keras as keras

from compression.channels.prune_channels import plan_channels, remove_channels
from compression.settings import PruneChannelsSettings

layers = keras.layers
DEAD_ONLY = PruneChannelsSettings(ratio=0.0)


def _with_a_constant(bias: float, *stack: keras.layers.Layer) -> keras.Model:
    """Channel 1 of `conv` is its bias everywhere; `stack` follows, then Flatten and Dense."""
    image = keras.Input((6, 6, 1), name="image")
    x = layers.Conv2D(3, 3, padding="same", name="conv")(image)
    for layer in stack:
        x = layer(x)
    model = keras.Model(image, layers.Dense(2, name="out")(layers.Flatten(name="flat")(x)))
    kernel, biases = model.get_layer("conv").get_weights()
    kernel[..., 1], biases[1] = 0, bias
    model.get_layer("conv").set_weights([kernel, biases])
    return model


def _dead(model: keras.Model, layer: str = "conv") -> int:
    return next(group.dead for group in plan_channels(model, DEAD_ONLY) if layer in group.layers)


@pytest.mark.parametrize(
    ("bias", "stack", "dead"),
    [
        # The head's bias stands for any constant.
        (0.5, lambda: [], 1),
        (0.5, lambda: [layers.Activation("sigmoid"), layers.MaxPooling2D(), layers.ReLU()], 1),
        (0.5, lambda: [layers.Conv2D(2, 3)], 1),
        (0.5, lambda: [layers.Conv2D(2, 3, use_bias=False)], 1),
        (0.5, lambda: [layers.SeparableConv2D(2, 3, use_bias=False)], 1),
        (0.5, lambda: [layers.DepthwiseConv2D(3), layers.Conv2D(2, 1, padding="same")], 1),
        # At a padded border the same constant is none; zero is.
        (0.5, lambda: [layers.Conv2D(2, 3, padding="same")], 0),
        (0.5, lambda: [layers.ZeroPadding2D(), layers.Conv2D(2, 3)], 0),
        (0.5, lambda: [layers.DepthwiseConv2D(3, padding="same")], 0),
        (0.0, lambda: [layers.Conv2D(2, 3, padding="same")], 1),
        (-0.5, lambda: [layers.ReLU(), layers.Conv2D(2, 3, padding="same")], 1),
        (-0.5, lambda: [layers.LeakyReLU(), layers.Conv2D(2, 3, padding="same")], 0),
        # Zero times whatever is zero, and the larger of a constant and whatever varies.
        (0.0, lambda: [lambda x: layers.Multiply()([x, layers.Conv2D(3, 3, padding="same")(x)])], 1),
        (0.0, lambda: [lambda x: layers.Maximum()([x, layers.Conv2D(3, 3, padding="same")(x)])], 0),
    ],
)
def test_a_constant_leaves_where_biases_can_stand_for_it(bias, stack, dead, answers):
    model = _with_a_constant(bias, *stack())
    assert _dead(model) == dead
    np.testing.assert_allclose(answers(remove_channels(model, DEAD_ONLY)), answers(model), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("beta", "gamma", "kernel", "absorbed"),
    [
        # A unit that is zero, less the mean 3, by the deviation 2: -1.5; times 2, plus beta; ReLU; times 10.
        (1.0, 2.0, 0.0, 0.0),
        (5.0, 2.0, 0.0, 20.0),
        # A scale of zero makes a constant of a unit that varies.
        (0.5, 0.0, 1.0, 5.0),
    ],
)
def test_what_a_constant_says_goes_into_the_bias(beta, gamma, kernel, absorbed, answers):
    x = keras.Input((1,), name="x")
    y = layers.BatchNormalization(epsilon=0.0, name="norm")(layers.Dense(2, use_bias=False, name="units")(x))
    model = keras.Model(x, layers.Dense(1, name="out")(layers.ReLU(name="relu")(y)))
    model.get_layer("units").set_weights([np.array([[kernel, 1.0]])])
    model.get_layer("norm").set_weights(list(np.array([[gamma, 1.0], [beta, 0.0], [3.0, 0.0], [4.0, 1.0]])))
    model.get_layer("out").set_weights([np.array([[10.0], [1.0]]), np.array([0.25])])
    smaller = remove_channels(model, DEAD_ONLY)
    weights, bias = smaller.get_layer("out").get_weights()
    assert weights.tolist() == [[1.0]]
    assert bias.tolist() == [0.25 + absorbed]
    np.testing.assert_allclose(answers(smaller), answers(model), rtol=1e-6)


def test_what_looks_at_dead_units_alone_is_dead_too():
    model = _with_a_constant(0.5, layers.Conv2D(2, 3, activation="relu", name="next"))
    kernel, biases = model.get_layer("next").get_weights()
    kernel[:, :, [0, 2], 0] = 0  # its channel 0 sees channel 1 of `conv`, which says 0.5
    model.get_layer("next").set_weights([kernel, biases])
    assert _dead(model, "next") == 1


def test_a_group_that_is_dead_altogether_keeps_its_fewest_channels():
    model = _with_a_constant(0.0)
    model.get_layer("conv").set_weights([np.zeros((3, 3, 1, 3)), np.zeros(3)])
    assert remove_channels(model, DEAD_ONLY).get_layer("conv").filters == 1
    assert remove_channels(model, PruneChannelsSettings(ratio=0.9, min_channels=2)).get_layer("conv").filters == 2


def test_filters_that_unstructured_pruning_emptied_leave_a_trained_network(trained, images, copy_of):
    """Real weights: all but the largest kernels' weights are set to zero, as `prune` does."""
    model = copy_of(trained)
    emptied = 0
    for name, share in (("conv", 0.9), ("digit", 0.5)):
        kernel, *rest = model.get_layer(name).get_weights()
        kernel[np.abs(kernel) < np.quantile(np.abs(kernel), share)] = 0
        model.get_layer(name).set_weights([kernel, *rest])
        emptied += int((kernel == 0).all(axis=tuple(range(kernel.ndim - 1))).sum())
    assert emptied >= 3
    smaller = remove_channels(model, DEAD_ONLY)
    assert smaller.get_layer("conv").filters == 8 - emptied
    np.testing.assert_allclose(smaller(images[0][:64]), model(images[0][:64]), atol=1e-5)

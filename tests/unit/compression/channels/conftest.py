"""One network per way in which channels can be tied, all weights random, and its groups as a person would name them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import tf_keras as keras

from compression.determinism import seed_everything

layers = keras.layers


@dataclass(frozen=True)
class Tied:
    """Layers whose channels are tied: for unit 0, 1, ... up to `count`, which channels of each layer belong to it."""

    count: int
    channels: dict[str, Callable[[int], list[int]]]


def tied(count: int, *names: str, **others: Callable[[int], list[int]]) -> Tied:
    """Unit i is channel i of the named layers; `others` tell it for themselves."""
    return Tied(count, {**dict.fromkeys(names, lambda unit: [unit]), **others})


@dataclass(frozen=True)
class Network:
    """A builder and its groups, without those that must stay."""

    build: Callable[[], keras.Model]
    groups: tuple[Tied, ...]


def _conv_norm_relu(x, filters, name, **options):
    x = layers.Conv2D(filters, 3, padding="same", name=name, **options)(x)
    return layers.ReLU(name=f"{name}_relu")(layers.BatchNormalization(name=f"{name}_norm")(x))


def _plain() -> keras.Model:
    image = keras.Input((8, 8, 2), name="image")
    x = layers.MaxPooling2D(name="pool")(_conv_norm_relu(image, 6, "first", use_bias=False))
    x = layers.Flatten(name="flat")(_conv_norm_relu(x, 5, "second"))
    x = layers.Dropout(0.5, name="dropout")(layers.Dense(7, activation="relu", name="hidden")(x))
    return keras.Model(image, layers.Dense(3, name="out")(x))


def _residual() -> keras.Model:
    image = keras.Input((8, 8, 2), name="image")
    x = _conv_norm_relu(image, 6, "stem")
    for block in ("one", "two"):
        y = _conv_norm_relu(x, 4, f"{block}_in")
        y = layers.BatchNormalization(name=f"{block}_out_norm")(layers.Conv2D(6, 1, name=f"{block}_out")(y))
        x = layers.Activation("relu", name=f"{block}_relu")(layers.Add(name=f"{block}_add")([x, y]))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(3, name="out")(x))


def _depthwise() -> keras.Model:
    image = keras.Input((9, 9, 2), name="image")
    x = layers.ZeroPadding2D(name="pad")(_conv_norm_relu(image, 6, "stem"))
    x = layers.DepthwiseConv2D(3, strides=2, use_bias=False, name="depth")(x)
    x = layers.ReLU(6.0, name="depth_relu")(layers.BatchNormalization(name="depth_norm")(x))
    x = layers.Conv2D(5, 1, activation="relu", name="point")(x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, activation="relu", name="widen")(x)
    x = layers.SeparableConv2D(6, 3, depth_multiplier=2, padding="same", activation="relu", name="separable")(x)
    return keras.Model(image, layers.Dense(3, name="out")(layers.GlobalMaxPooling2D(name="pool")(x)))


def _concatenate() -> keras.Model:
    image = keras.Input((8, 8, 2), name="image")
    left = _conv_norm_relu(image, 4, "left")
    right = layers.AveragePooling2D(2, strides=1, padding="same", name="right_pool")(image)
    right = layers.Conv2D(5, 1, activation="relu", name="right")(right)
    both = layers.Concatenate(name="both")([left, right, image])
    # The first channels of `merge` are tied to those of `left`, the rest to those of `right` and of the image.
    merge = layers.Conv2D(11, 3, padding="same", name="merge")(both)
    x = layers.ReLU(name="relu")(layers.Add(name="add")([both, merge]))
    return keras.Model(image, layers.Dense(3, name="out")(layers.Flatten(name="flat")(x)))


def _dense() -> keras.Model:
    return keras.Sequential(
        [
            layers.Dense(8, activation="relu", name="wide", input_shape=(5,)),
            layers.BatchNormalization(name="norm"),
            layers.Dense(6, activation="tanh", name="narrow"),
            layers.Dense(3, name="out"),
        ]
    )


def _one_dimensional() -> keras.Model:
    signal = keras.Input((24, 2), name="signal")
    x = layers.Conv1D(6, 3, padding="causal", activation="relu", name="first")(signal)
    x = layers.DepthwiseConv1D(3, padding="same", name="depth")(layers.MaxPooling1D(name="pool")(x))
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    x = layers.SeparableConv1D(5, 3, activation="relu", name="separable")(layers.Cropping1D(1, name="crop")(x))
    x = layers.Conv1D(4, 3, dilation_rate=2, activation="relu", name="last")(layers.UpSampling1D(name="up")(x))
    x = layers.Flatten(name="flat")(layers.SpatialDropout1D(0.5, name="dropout")(x))
    return keras.Model(signal, layers.Dense(3, name="out")(x))


def _gated() -> keras.Model:
    """Squeeze and excitation: a gate for every channel, and a merge after `Flatten`."""
    image = keras.Input((6, 6, 2), name="image")
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="conv")(image)
    squeezed = layers.Dense(4, activation="relu", name="squeeze")(layers.GlobalAveragePooling2D(name="pool")(x))
    gate = layers.Dense(6, activation="sigmoid", name="gate")(squeezed)
    x = layers.Multiply(name="scale")([x, layers.Reshape((1, 1, 6), name="shape")(gate)])
    x = layers.Flatten(name="flat")(x)
    # One channel of `conv` is nine units of `beside`: they can only leave together.
    beside = layers.Dense(54, activation="relu", name="beside")(layers.Flatten(name="pixels")(image))
    x = layers.Average(name="merge")([x, beside])
    return keras.Model(image, layers.Dense(3, name="out")(x))


NETWORKS = {
    "plain": Network(_plain, (tied(6, "first", "first_norm"), tied(5, "second", "second_norm"), tied(7, "hidden"))),
    "residual": Network(
        _residual,
        (
            tied(6, "stem", "stem_norm", "one_out", "one_out_norm", "two_out", "two_out_norm"),
            tied(4, "one_in", "one_in_norm"),
            tied(4, "two_in", "two_in_norm"),
        ),
    ),
    "depthwise": Network(
        _depthwise,
        (
            tied(6, "stem", "stem_norm", "depth", "depth_norm"),
            tied(5, "point", widen=lambda unit: [2 * unit, 2 * unit + 1]),
            tied(6, "separable"),
        ),
    ),
    "concatenate": Network(
        _concatenate, (tied(4, "left", "left_norm", "merge"), tied(5, "right", merge=lambda unit: [4 + unit]))
    ),
    "dense": Network(_dense, (tied(8, "wide", "norm"), tied(6, "narrow"))),
    "one_dimensional": Network(
        _one_dimensional, (tied(6, "first", "depth", "norm"), tied(5, "separable"), tied(4, "last"))
    ),
    "gated": Network(
        _gated, (tied(6, "conv", "gate", beside=lambda unit: list(range(unit, 54, 6))), tied(4, "squeeze"))
    ),
}


@pytest.fixture(params=NETWORKS)
def network(request) -> Network:
    return NETWORKS[request.param]


@pytest.fixture(scope="session")
def network_named() -> Callable[[str], Network]:
    return NETWORKS.__getitem__


@pytest.fixture(scope="session")
def random_model() -> Callable[[Network, int], keras.Model]:
    """A network whose weights are all random, statistics of normalizations included, so that nothing hides at zero."""

    def build(network: Network, seed: int) -> keras.Model:
        seed_everything(seed)
        model = network.build()
        random = np.random.default_rng(seed)
        for layer in model.layers:
            weights = [random.normal(size=w.shape) / max(1, np.prod(w.shape[:-1])) ** 0.5 for w in layer.get_weights()]
            if isinstance(layer, layers.BatchNormalization):
                weights[3] = random.uniform(0.5, 2, size=weights[3].shape)
            layer.set_weights(weights)
        return model

    return build


@pytest.fixture(scope="session")
def answers() -> Callable[[keras.Model], np.ndarray]:
    """What a model says to fixed random examples."""

    def answer(model: keras.Model) -> np.ndarray:
        shape = model.inputs[0].shape[1:]
        return model(np.random.default_rng(0).normal(size=(16, *shape)).astype(np.float32), training=False).numpy()

    return answer


@pytest.fixture(scope="session")
def silence() -> Callable[[keras.Model, Tied, list[int]], None]:
    """Sets to zero, in place, all that makes some units of a group."""

    def silence_units(model: keras.Model, group: Tied, units: list[int]) -> None:
        for name, channels_of in group.channels.items():
            layer = model.get_layer(name)
            channels = [channel for unit in units for channel in channels_of(unit)]
            layer.set_weights([_without(weight, channels, layer) for weight in layer.get_weights()])

    return silence_units


def _without(weight: np.ndarray, channels: list[int], layer: keras.layers.Layer) -> np.ndarray:
    depthwise = isinstance(layer, layers.DepthwiseConv1D | layers.DepthwiseConv2D) and weight.ndim > 1
    # A normalization's statistics become zero too: the scale and the shift that matter are.
    flat = weight.reshape(*weight.shape[:-2], -1) if depthwise else weight.copy()
    # The depthwise half of a separable convolution belongs to the channels that it reads.
    if not (isinstance(layer, layers.SeparableConv1D | layers.SeparableConv2D) and _is_depthwise_half(weight, layer)):
        flat[..., channels] = 0
    return flat.reshape(weight.shape)


def _is_depthwise_half(weight: np.ndarray, layer: keras.layers.Layer) -> bool:
    return weight.shape == tuple(layer.depthwise_kernel.shape)

"""Real images (scikit-learn's digits) and one small model per architecture, shared by all tests of this folder."""

from collections.abc import Callable

import numpy as np
import pytest
import tf_keras as keras
from sklearn.datasets import load_digits

from compression import keras_models, training
from compression.data import Split, TrainingData
from compression.determinism import seed_everything
from compression.qat import quantization_aware
from compression.settings import QatSettings, TrainSettings

layers = keras.layers
Build = Callable[[], keras.Model]


def _image() -> keras.Input:
    return keras.Input((8, 8, 1), name="image")


def _classifier(image, x) -> keras.Model:
    return keras.Model(image, layers.Dense(10, activation="softmax", name="digit")(layers.Flatten(name="flat")(x)))


def _conv_bn_relu() -> keras.Model:
    image = _image()
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv")(image)
    # Momentum 0.9: with a dozen steps an epoch the default 0.99 would leave the statistics at their start.
    x = layers.BatchNormalization(momentum=0.9, name="norm")(x)
    return _classifier(image, layers.MaxPooling2D(name="pool")(layers.ReLU(name="relu")(x)))


def _depthwise() -> keras.Model:
    image = _image()
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")(image)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depth")(x)
    x = layers.BatchNormalization(momentum=0.9, name="norm")(x)
    x = layers.Activation("relu", name="relu")(x)
    return _classifier(image, layers.Conv2D(8, 1, activation="relu", name="point")(x))


def _residual() -> keras.Model:
    image = _image()
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")(image)
    y = layers.Conv2D(8, 3, padding="same", name="branch")(x)
    return _classifier(image, layers.ReLU(name="relu")(layers.Add(name="add")([x, y])))


def _dense() -> keras.Model:
    return keras.Sequential(
        [
            _image(),
            layers.Flatten(name="flat"),
            layers.Dense(16, activation="relu", name="hidden"),
            layers.Dense(10, activation="softmax", name="digit"),
        ]
    )


def _shared() -> keras.Model:
    image = _image()
    conv = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")
    tied = layers.Conv2D(8, 3, padding="same", activation="relu", name="tied")
    return _classifier(image, tied(tied(conv(image))))


def _residual_bn() -> keras.Model:
    image = _image()
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv")(image)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(momentum=0.9, name="norm")(x))
    y = layers.Conv2D(8, 3, padding="same", use_bias=False, name="branch")(x)
    y = layers.BatchNormalization(momentum=0.9, name="branch_norm")(y)
    x = layers.ReLU(name="sum_relu")(layers.Add(name="add")([x, y]))
    return keras.Model(image, _digit(layers.GlobalAveragePooling2D(name="mean")(x)))


def _digit(x):
    return layers.Dense(10, activation="softmax", name="digit")(x)


def _rows(image):
    """The image as a sequence of 8 rows of 8 pixels."""
    return layers.Reshape((8, 8), name="rows")(image)


def _conv1d() -> keras.Model:
    image = _image()
    x = layers.Conv1D(12, 3, padding="same", use_bias=False, name="conv")(_rows(image))
    x = layers.ReLU(name="relu")(layers.BatchNormalization(momentum=0.9, name="norm")(x))
    x = layers.Flatten(name="flat")(layers.MaxPooling1D(name="pool")(x))
    return keras.Model(image, _digit(x))


def _lstm() -> keras.Model:
    image = _image()
    return keras.Model(image, _digit(layers.LSTM(12, name="lstm")(_rows(image))))


def _gru() -> keras.Model:
    image = _image()
    return keras.Model(image, _digit(layers.GRU(8, name="gru")(_rows(image))))


def _two_inputs() -> keras.Model:
    image, sums = _image(), keras.Input((8,), name="sums")
    x = layers.Flatten(name="flat")(layers.Conv2D(4, 3, activation="relu", name="conv")(image))
    x = layers.Concatenate(name="join")([x, layers.Dense(8, activation="relu", name="hidden")(sums)])
    return keras.Model([sums, image], _digit(x))


BUILDERS: dict[str, Build] = {
    "conv_bn_relu": _conv_bn_relu,
    "depthwise": _depthwise,
    "residual": _residual,
    "residual_bn": _residual_bn,
    "dense": _dense,
    "shared": _shared,
    "conv1d": _conv1d,
    "lstm": _lstm,
    "gru": _gru,
    "two_inputs": _two_inputs,
}


@pytest.fixture(scope="session")
def images() -> tuple[np.ndarray, np.ndarray]:
    pixels, labels = load_digits(return_X_y=True)
    return (pixels / 16).astype(np.float32).reshape(-1, 8, 8, 1), labels.astype(np.int64)


def split_of(images: tuple[np.ndarray, np.ndarray], begin: int, end: int, name: str = "image") -> Split:
    return Split.from_arrays({name: images[0][begin:end]}, images[1][begin:end])


@pytest.fixture(scope="session")
def data(images) -> TrainingData:
    return TrainingData(split_of(images, 0, 400), split_of(images, 400, 600), "multiclass", seed=1)


@pytest.fixture(scope="session")
def two_input_data(images) -> TrainingData:
    """The same digits with the sums of their rows beside them."""
    pixels, labels = images

    def part(begin: int, end: int) -> Split:
        features = {"image": pixels[begin:end], "sums": pixels[begin:end].sum(axis=(2, 3))}
        return Split.from_arrays(features, labels[begin:end])

    return TrainingData(part(0, 400), part(400, 600), "multiclass", seed=1)


@pytest.fixture(scope="session")
def test_split(images) -> Split:
    return split_of(images, 600, 1600)


@pytest.fixture(scope="session")
def builders() -> dict[str, Build]:
    return BUILDERS


@pytest.fixture
def build() -> Callable[[str], keras.Model]:
    """Untrained models by architecture, always with the same weights."""

    def build_one(name: str) -> keras.Model:
        seed_everything(1)
        return BUILDERS[name]()

    return build_one


@pytest.fixture(scope="session")
def trained(data) -> keras.Model:
    """The convolutional model, trained to about 90 %; tests that change a model take a copy."""
    seed_everything(1)
    model = _conv_bn_relu()
    training.train(model, data, TrainSettings(epochs=6, batch_size=32, learning_rate=5e-3))
    return model


@pytest.fixture(scope="session")
def aware(data) -> keras.Model:
    """The dense model after quantization-aware training; no test changes it."""
    seed_everything(1)
    return quantization_aware(_dense(), data, QatSettings(epochs=1))


@pytest.fixture(scope="session")
def copy_of() -> Callable[[keras.Model], keras.Model]:
    return keras_models.copy

"""Handwritten digits, 8x8 pixels with values 0 to 16 (scikit-learn's copy of the UCI set)."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow import keras

SIDE = 8
CLASSES = 10


def preprocessing_fn(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Scales the pixels to [0, 1] and shapes them as an image."""
    image = tf.cast(inputs["image"], tf.float32) / 16.0
    return {"image": tf.reshape(image, [-1, SIDE, SIDE, 1]), "label": inputs["label"]}


def search_space() -> dict[str, list]:
    """What `model.search` may try; the first value of every list is the one that `build_model` takes by itself."""
    return {
        "filters": [16, 8, 12, 24],
        "kernel_size": [3, 5],
        "blocks": [2, 1, 3],
        "convolution": ["full", "separable"],
    }


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """A small convolutional network; the input bears the name of the transformed feature."""
    filters, kernel_size = hparams.get("filters", 16), hparams.get("kernel_size", 3)
    separable = hparams.get("convolution", "full") == "separable"
    image = keras.Input((SIDE, SIDE, 1), name="image")
    x = image
    for block in range(1, hparams.get("blocks", 2) + 1):
        if separable:
            x = keras.layers.DepthwiseConv2D(kernel_size, padding="same", use_bias=False, name=f"depth_{block}")(x)
        width, size = filters * 2 ** (block - 1), 1 if separable else kernel_size
        x = keras.layers.Conv2D(width, size, padding="same", use_bias=False, name=f"conv_{block}")(x)
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"norm_{block}")(x)
        x = keras.layers.ReLU(name=f"relu_{block}")(x)
        x = keras.layers.MaxPooling2D(name=f"pool_{block}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(4 * filters, activation="relu", name="hidden")(x)
    x = keras.layers.Dropout(0.2, seed=1, name="dropout")(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, activation="softmax", name="digit")(x))


def build_student(hparams: Mapping[str, Any]) -> keras.Model:
    """A depthwise-separable network of less than half the weights, for the step `distill`."""
    filters = hparams.get("filters", 16)
    image = keras.Input((SIDE, SIDE, 1), name="image")
    x = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, name="conv")(image)
    x = keras.layers.BatchNormalization(momentum=0.9, name="norm")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.MaxPooling2D(name="pool")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    x = keras.layers.BatchNormalization(momentum=0.9, name="norm_depthwise")(x)
    x = keras.layers.Conv2D(2 * filters, 1, use_bias=False, name="pointwise")(x)
    x = keras.layers.BatchNormalization(momentum=0.9, name="norm_pointwise")(x)
    x = keras.layers.ReLU(name="relu_pointwise")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, activation="softmax", name="digit")(x))

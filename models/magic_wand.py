"""Digits drawn in the air with a wand, as 32x32 images with values 0 to 255 (petewarden/magic_wand_digit_data)."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow import keras

SIDE = 32
CLASSES = 10


def preprocessing_fn(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Scales the pixels to [0, 1] and shapes them as an image."""
    image = tf.cast(inputs["image"], tf.float32) / 255.0
    return {"image": tf.reshape(image, [-1, SIDE, SIDE, 1]), "label": inputs["label"]}


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """Three strided convolutions, small enough for a microcontroller, and an average over the places."""
    filters = hparams.get("filters", 16)
    image = keras.Input((SIDE, SIDE, 1), name="image")
    x = image
    for block, width in enumerate((filters, 2 * filters, 2 * filters), start=1):
        x = keras.layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False, name=f"conv_{block}")(x)
        x = keras.layers.BatchNormalization(name=f"norm_{block}")(x)
        x = keras.layers.ReLU(name=f"relu_{block}")(x)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dropout(0.3, seed=1, name="dropout")(x)
    return keras.Model(image, keras.layers.Dense(CLASSES, activation="softmax", name="digit")(x))

"""Diagnosis of 569 tumours from 30 measurements of their cell nuclei (Wolberg, Mangasarian and Street, 1993)."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow import keras

_NUCLEUS = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave_points",
    "symmetry",
    "fractal_dimension",
)
MEASURED = tuple(f"{kind}_{name}" for kind in ("mean", "worst") for name in _NUCLEUS) + tuple(
    f"{name}_error" for name in _NUCLEUS
)
AREA_GROUPS = 4


def preprocessing_fn(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Standardizes all measurements, and adds the quarter that the area falls into.

    The quarter is counted from boundaries, which TFLite can do too; `tft.bucketize` could not go into the file.
    """
    area = tf.cast(inputs["mean_area"], tf.float32)
    boundaries = tft.quantiles(area, num_buckets=AREA_GROUPS, epsilon=0.01)
    group = tf.reduce_sum(tf.cast(area[..., tf.newaxis] >= boundaries, tf.float32), axis=-1)
    measured = tf.concat([tf.cast(inputs[name], tf.float32) for name in MEASURED], axis=-1)
    scaled = tft.scale_to_z_score(measured, elementwise=True)
    return {"tumour": tf.concat([scaled, group / AREA_GROUPS], axis=-1), "diagnosis": inputs["diagnosis"]}


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """Two hidden layers and the probability of a benign tumour."""
    units = hparams.get("units", 32)
    tumour = keras.Input((len(MEASURED) + 1,), name="tumour")
    x = keras.layers.Dense(units, activation="relu", name="hidden_1")(tumour)
    x = keras.layers.Dense(units, activation="relu", name="hidden_2")(x)
    return keras.Model(tumour, keras.layers.Dense(1, activation="sigmoid", name="benign")(x))

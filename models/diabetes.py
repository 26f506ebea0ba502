"""Progression of diabetes within a year, of 442 patients (Efron et al., 2004), from a table."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow import keras

MEASURED = ("bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
AGE_GROUPS = 4
SEXES = 2
FEATURES = len(MEASURED) + AGE_GROUPS + SEXES


def preprocessing_fn(inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Standardizes what was measured, and makes groups of the age and of the sex."""
    measured = tf.concat([tf.cast(inputs[name], tf.float32) for name in MEASURED], axis=-1)
    age = tft.bucketize(inputs["age"], num_buckets=AGE_GROUPS)
    sex = tft.compute_and_apply_vocabulary(inputs["sex"], vocab_filename="sex", num_oov_buckets=1)
    groups = [tf.one_hot(tf.squeeze(age, -1), AGE_GROUPS), tf.one_hot(tf.squeeze(sex, -1), SEXES)]
    return {
        "patient": tf.concat([tft.scale_to_z_score(measured, elementwise=True), *groups], axis=-1),
        "age_group": age,
        "progression": tf.cast(inputs["progression"], tf.float32),
    }


def build_model(hparams: Mapping[str, Any]) -> keras.Model:
    """One hidden layer."""
    patient = keras.Input((FEATURES,), name="patient")
    x = keras.layers.Dense(hparams.get("units", 16), activation="relu", name="hidden")(patient)
    return keras.Model(patient, keras.layers.Dense(1, name="progression")(x))

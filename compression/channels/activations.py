"""Which activations treat every channel by itself, and what they make of a constant one."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from compression.channels.labels import Channels, Labels

_ELEMENTWISE = frozenset(
    {
        "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "swish", "mish", "exponential",
        "softplus", "softsign", "sigmoid", "hard_sigmoid", "tanh",
    }
)  # fmt: skip
"""Keras's and TensorFlow's own, by the name of the function; `softmax` mixes channels."""


def activated(channels: Channels, activation: Callable[..., Any], layer_name: str, labels: Labels) -> Channels:
    """The channels after an activation. One that mixes channels, or is none of Keras's own, keeps them all."""
    if is_elementwise(activation):
        return Channels(channels.labels, of_constants(activation, channels.constants))
    name = getattr(activation, "__name__", type(activation).__name__)
    labels.keep(channels.labels, f"{name} in {layer_name}")
    return Channels(channels.labels, np.full(len(channels.constants), np.nan))


def is_elementwise(activation: Callable[..., Any]) -> bool:
    """Whether the activation is known to treat every element by itself.

    >>> import tf_keras as keras
    >>> is_elementwise(keras.activations.relu), is_elementwise(keras.activations.softmax)
    (True, False)
    """
    package = str(getattr(activation, "__module__", "")).split(".")[0]
    return package in ("tf_keras", "tensorflow") and getattr(activation, "__name__", "") in _ELEMENTWISE


def of_constants(function: Callable[..., Any], constants: np.ndarray) -> np.ndarray:
    """Applies an elementwise function where the value is known; NaN stays."""
    result = constants.copy()
    known = ~np.isnan(constants)
    result[known] = np.asarray(function(tf.constant(constants[known], tf.float32)), np.float64)
    return result

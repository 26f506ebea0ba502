"""Ranges of activations before quantization-aware training begins.

tfmot starts every range at [-6, 6] and moves it by a thousandth of the way with each batch. After an epoch of 430
batches two thirds of that start are still there: what is larger is clipped, and training learns to live with it. One
look at real examples sets all ranges right from the first batch on.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras import quantizers
from tensorflow_model_optimization.python.core.quantization.keras.quantize_wrapper import QuantizeWrapper

from compression.training import batch_norm_frozen


class _Observer:
    """Stands in for a quantizer: takes the range of what it sees, and lets it pass as it is."""

    def __call__(self, inputs: tf.Tensor, training: bool, weights: dict[str, tf.Variable]) -> tf.Tensor:
        del training
        # The range must hold zero, which padding and ReLU need to be exact.
        weights["min_var"].assign(tf.minimum(tf.reduce_min(inputs), 0.0))
        weights["max_var"].assign(tf.maximum(tf.reduce_max(inputs), 0.0))
        return inputs


def set_ranges(aware: keras.Model, features: Mapping[str, np.ndarray]) -> None:
    """Sets the ranges of all activations to what they are for some examples, in place.

    Args:
        aware: A model that tfmot's `quantize_apply` has just made.
        features: Examples `[batch, ...]` by name, of the train split.
    """
    holders = [holder for layer in aware.layers if isinstance(layer, QuantizeWrapper) for holder in _holders(layer)]
    originals = [getattr(holder, name) for holder, name in holders]
    inputs = [features[name] for name in aware.input_names]
    for (holder, name), original in zip(holders, originals, strict=True):
        setattr(holder, name, [_Observer()] if isinstance(original, list) else _Observer())
    try:
        with batch_norm_frozen(aware, frozen=True):
            aware(inputs[0] if len(inputs) == 1 else inputs, training=True)
    finally:
        for (holder, name), original in zip(holders, originals, strict=True):
            setattr(holder, name, original)


def _holders(wrapper: QuantizeWrapper) -> list[tuple[object, str]]:
    """Where a wrapper keeps the quantizers of its activations: objects and names of attributes."""
    activations = [
        (activation, "quantizer")
        for activation in wrapper._quantize_activations
        if isinstance(activation.quantizer, quantizers.MovingAverageQuantizer)
    ]
    return [*activations, (wrapper, "_output_quantizers")] if wrapper._output_quantizers else activations

"""The outputs of a Keras model by name, however tfmot has wrapped the layers that make them."""

from collections.abc import Mapping

import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras.quantize_wrapper import QuantizeWrapper
from tensorflow_model_optimization.python.core.sparsity.keras.pruning_wrapper import PruneLowMagnitude

from compression.outputs import keys


def output_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers that make the outputs, in the model's order and without tfmot's wrappers."""
    layers = [tensor._keras_history.layer for tensor in model.outputs]
    return [layer.layer if isinstance(layer, QuantizeWrapper | PruneLowMagnitude) else layer for layer in layers]


def output_names(model: keras.Model) -> list[str]:
    """Names of the layers that make the outputs, in the model's order; tfmot's wrappers do not change them."""
    return [layer.name for layer in output_layers(model)]


def output_shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    """Shapes without the batch, by output; a dimension that may vary is -1."""
    shapes = [tuple(-1 if size is None else int(size) for size in tensor.shape[1:]) for tensor in model.outputs]
    return dict(zip(keys(output_names(model)), shapes, strict=True))


def ask(model: keras.Model, features: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """What the model answers in inference mode, by output.

    Args:
        model: A Functional or Sequential model.
        features: Tensors or arrays `[batch, ...]` by name; others than the model's inputs are ignored.
    """
    inputs = [features[name] for name in model.input_names]
    answers = tf.nest.flatten(model(inputs[0] if len(inputs) == 1 else inputs, training=False))
    return dict(zip(keys(output_names(model)), answers, strict=True))

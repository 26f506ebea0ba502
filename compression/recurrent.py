"""Recurrent layers on the device: written out step by step, because TFLite's loops know one batch size alone."""

from typing import Any

import tf_keras as keras

from compression import keras_models
from compression.errors import CompressionError

MAX_STEPS = 256
"""Most steps that are written out; each adds about 15 operators, 3 kB (float) to 7 kB (int8), to the file."""


def is_recurrent(layer: keras.layers.Layer) -> bool:
    """Whether a layer goes over its input step by step; wrappers do not hide it."""
    return isinstance(_inner(layer), keras.layers.RNN)


def unrolled(model: keras.Model) -> keras.Model:
    """The same model with its recurrent layers written out, one call of the cell for each step.

    TFLite has no loop over tensors whose batch may vary, and its fused LSTM keeps its state from one call to the next.
    Written out, a recurrent layer consists of common operators that every mode can quantize; the weights are stored
    once.

    Args:
        model: A Functional or Sequential model; it is not changed.

    Returns:
        A model with the same names, weights and answers; `model` itself when there is nothing to write out.

    Raises:
        CompressionError: A recurrent layer has no fixed number of steps or more than `MAX_STEPS`, is stateful, or is
            convolutional.
    """
    if not any(_needs_unrolling(layer) for layer in model.layers):
        return model
    with keras_models.quantize_scope():
        twin = keras.models.clone_model(model, clone_function=_clone)
    twin.set_weights(model.get_weights())
    return twin


def _needs_unrolling(layer: keras.layers.Layer) -> bool:
    if isinstance(layer, keras.Model):
        return any(_needs_unrolling(inner) for inner in layer.layers)
    return is_recurrent(layer)


def _clone(layer: keras.layers.Layer) -> keras.layers.Layer:
    if isinstance(layer, keras.Model):
        return unrolled(layer)
    config = layer.get_config()
    if is_recurrent(layer):
        _check(layer)
        _set_unroll(config)
    return type(layer).from_config(config)


def _inner(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The layer inside of Bidirectional or of tfmot's wrapper, or both."""
    return _inner(layer.layer) if isinstance(layer, keras.layers.Wrapper) else layer


def _check(layer: keras.layers.Layer) -> None:
    shape = layer.get_input_shape_at(0)
    # With an initial state the inputs are a list, of which the sequence is the first.
    steps = (shape[0] if isinstance(shape, list) else shape)[1]
    name = f"{layer.name} ({type(layer).__name__})"
    inner = _inner(layer)
    if steps is None:
        raise CompressionError(
            f"a recurrent layer must have a fixed number of steps, got none for {name}; give keras.Input the number "
            "that the device uses"
        )
    if steps > MAX_STEPS:
        raise CompressionError(
            f"a recurrent layer must have at most {MAX_STEPS} steps, because each is written out, got {steps} for "
            f"{name}; shorten the sequence before it, with strides of a Conv1D or with pooling"
        )
    if inner.stateful:
        raise CompressionError(
            f"a recurrent layer must begin every example anew, got stateful=True for {name}; set it to False"
        )
    if "ConvLSTM" in type(inner).__name__:
        raise CompressionError(
            f"a recurrent layer must be one that can be written out, got {name}; use convolutions and an LSTM or GRU"
        )


def _set_unroll(config: dict[str, Any]) -> None:
    if "unroll" in config:
        config["unroll"] = True
    for key in ("layer", "backward_layer"):
        if isinstance(config.get(key), dict):
            _set_unroll(config[key]["config"])

"""Models inside of models, as transfer learning makes them, taken apart: steps see layers, not models."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

from compression import keras_models


def inlined(model: keras.Model) -> keras.Model:
    """The same model with the layers of models inside of it in their places.

    A model inside that is called with `training=False` answers as in inference while the rest is trained: its
    normalizations stop learning (`trainable=False`), and its dropout is left out.

    Args:
        model: A Functional or Sequential model whose models inside are such models too. Where a name occurs twice, a
            layer of a model inside gets that model's name in front.

    Returns:
        A Functional model with the same input and output names, weights and answers; `model` itself when there are no
        models inside.
    """
    if not keras_models.nested_models(model):
        return model
    _name_uniquely(model)
    inputs = [
        keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in zip(model.input_names, model.inputs, strict=True)
    ]
    outputs = _called(model, inputs, frozen=False)
    flat = keras.Model(inputs, outputs[0] if len(outputs) == 1 else outputs, name=model.name)
    # The layers still belong to the models that they came from; the copy's do not.
    return keras_models.copy(flat)


def _name_uniquely(model: keras.Model) -> None:
    seen = set(model.input_names)
    for path, layer in _leaves(model, ()):
        if layer.name in seen:
            layer._name = "_".join([*path, layer.name])
        seen.add(layer.name)


def _leaves(model: keras.Model, path: tuple[str, ...]) -> list[tuple[tuple[str, ...], keras.layers.Layer]]:
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found += _leaves(layer, (*path, layer.name))
        elif not isinstance(layer, keras.layers.InputLayer):
            found.append((path, layer))
    return found


def _called(model: keras.Model, inputs: Sequence[Any], *, frozen: bool) -> list[Any]:
    """The model's outputs for symbolic inputs, its layers called one by one; see Keras's `_run_internal_graph`."""
    tensors = {str(id(known)): given for known, given in zip(model.inputs, inputs, strict=True)}
    for _, nodes in sorted(model._nodes_by_depth.items(), reverse=True):
        for node in nodes:
            if node.is_input:
                continue
            args, kwargs = node.map_arguments({key: _Supply(tensor) for key, tensor in tensors.items()})
            outputs = _layer_outputs(node.layer, args, kwargs, frozen=frozen)
            tensors |= dict(zip(node.flat_output_ids, outputs, strict=True))
    return [tensors[str(id(output))] for output in model.outputs]


def _layer_outputs(
    layer: keras.layers.Layer, args: tuple[Any, ...], kwargs: dict[str, Any], *, frozen: bool
) -> list[Any]:
    if isinstance(layer, keras.Model):
        stays = frozen or kwargs.get("training") is False
        return _called(layer, tf.nest.flatten(args[0]), frozen=stays)
    if frozen and isinstance(layer, keras.layers.Dropout):
        return [args[0]]
    if frozen and isinstance(layer, keras.layers.BatchNormalization):
        layer.trainable = False
    return list(tf.nest.flatten(layer(*args, **kwargs)))


class _Supply:
    """What Keras's nodes take a tensor from, as often as they like."""

    def __init__(self, tensor: Any) -> None:  # noqa: ANN401 - Keras has no public name for symbolic tensors
        self._tensor = tensor

    def pop(self) -> Any:  # noqa: ANN401
        return self._tensor

"""Whether two Keras models are built alike, so that one can take the other's weights, whatever layers are called."""

import json
from collections.abc import Mapping
from typing import Any

import tf_keras as keras

from compression.model_outputs import output_names

_IGNORED = ("name", "build_config", "module", "registered_name")
"""Keys of a configuration that say nothing of what a layer computes; initial values count neither."""

_CONNECTIONS = ("inbound_nodes",)


def first_difference(wanted: keras.Model, given: keras.Model) -> str | None:
    """What first keeps `given` from being built like `wanted`, in words; `None` when they are alike.

    Alike are the kinds, configurations, connections and shapes of weights of all layers, in their order, and the names
    of inputs and, of several, of outputs. Other names may differ, because Keras numbers those that it makes itself;
    initializers and seeds may, because they decide nothing once there are weights.

    Args:
        wanted: The model that shall take the weights.
        given: The model that has them.
    """
    for what, listed in (("inputs", _inputs), ("outputs", _outputs)):
        if listed(wanted) != listed(given):
            return f"the {what} are {listed(wanted)} here, {listed(given)} there"
    if len(wanted.layers) != len(given.layers):
        return f"there are {len(wanted.layers)} layers here, {len(given.layers)} there"
    ours, theirs = _plain_layers(wanted.get_config()), _plain_layers(given.get_config())
    for mine, other in zip(wanted.layers, given.layers, strict=True):
        found = _layer_difference(mine, other, ours[mine.name], theirs[other.name])
        if found:
            return f"layer {mine.name}: {found}"
    return None


def take_weights(model: keras.Model, given: keras.Model) -> None:
    """Sets the weights of `given`, in which `first_difference` finds none."""
    model.set_weights(given.get_weights())


def _inputs(model: keras.Model) -> str:
    pairs = zip(model.input_names, model.inputs, strict=True)
    return ", ".join(f"{name} {tuple(tensor.shape[1:])}" for name, tensor in pairs)


def _outputs(model: keras.Model) -> str:
    """The name of an only output says nothing."""
    names = output_names(model) if len(model.outputs) > 1 else ["one"]
    return ", ".join(f"{name} {tuple(tensor.shape[1:])}" for name, tensor in zip(names, model.outputs, strict=True))


def _layer_difference(
    mine: keras.layers.Layer, other: keras.layers.Layer, one: Mapping[str, Any], two: Mapping[str, Any]
) -> str | None:
    if type(mine).__name__ != type(other).__name__:
        return f"a {type(mine).__name__} here, a {type(other).__name__} there"
    for key in sorted(one.keys() | two.keys()):
        here, there = _text(one.get(key)), _text(two.get(key))
        if here != there:
            return f"{key} is {here} here, {there} there"
    shapes = [[tuple(weight.shape) for weight in layer.weights] for layer in (mine, other)]
    if shapes[0] != shapes[1]:
        return f"weights of shapes {shapes[0]} here, {shapes[1]} there"
    return None


def _plain_layers(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The configuration of each layer by its name, with connections to layers named by their place."""
    layers = config["layers"]
    places = {layer["config"]["name"]: f"layer {place}" for place, layer in enumerate(layers)}
    return {
        layer["config"]["name"]: {
            **_plain(layer["config"]),
            **{key: _renamed(layer[key], places) for key in _CONNECTIONS if key in layer},
        }
        for layer in layers
    }


def _plain(config: Any) -> Any:  # noqa: ANN401 - JSON values
    if isinstance(config, Mapping):
        if "layers" in config:
            # A model inside: its layers' names are its own business too.
            return {"layers": list(_plain_layers(config).values())}
        return {
            key: _plain(value)
            for key, value in config.items()
            if key not in _IGNORED and key != "seed" and not key.endswith("_initializer")
        }
    return [_plain(value) for value in config] if isinstance(config, list | tuple) else config


def _renamed(value: Any, places: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON values
    if isinstance(value, str):
        return places.get(value, value)
    if isinstance(value, Mapping):
        return {key: _renamed(part, places) for key, part in value.items()}
    return [_renamed(part, places) for part in value] if isinstance(value, list | tuple) else value


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)

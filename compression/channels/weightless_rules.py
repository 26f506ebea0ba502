"""Layers without weights that do something with channels: activations, merges, changes of shape."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tf_keras as keras

from compression.channels.activations import activated, of_constants
from compression.channels.labels import Channels, Labels
from compression.channels.rule import Call, Rule, Shrunk


class Elementwise(Rule):
    """ReLU and its like: a constant becomes another one."""

    def trace(self, call: Call, labels: Labels) -> Channels:
        """The same channels."""
        (source,) = call.inputs
        return Channels(source.labels, of_constants(call.layer.call, source.constants))


class Activated(Rule):
    """A layer that applies an activation function.

    Args:
        function: Finds it in the layer.
    """

    def __init__(self, function: Callable[[keras.layers.Layer], Callable[..., Any]]) -> None:
        self._function = function

    def trace(self, call: Call, labels: Labels) -> Channels:
        """The same channels; all must stay when the function mixes them."""
        return activated(call.inputs[0], self._function(call.layer), call.layer.name, labels)


class Padding(Rule):
    """ZeroPadding: a channel with a constant other than zero varies afterwards, at the border."""

    def trace(self, call: Call, labels: Labels) -> Channels:
        """The same channels."""
        (source,) = call.inputs
        return Channels(source.labels, np.where(source.constants == 0, 0.0, np.nan))


class Merge(Rule):
    """Add and its like: channels at the same place are tied.

    Args:
        constant: What the layer does along the first axis, which counts its inputs; NaN must stay NaN.
    """

    def __init__(self, constant: Callable[[np.ndarray], np.ndarray]) -> None:
        self._constant = constant

    def obstacle(self, call: Call) -> str:
        """One channel for all, as in an attention map, has no partner of its own."""
        counts = [len(source.labels) for source in call.inputs]
        return "" if len(set(counts)) == 1 else f"inputs of {' and '.join(map(str, counts))} channels"

    def trace(self, call: Call, labels: Labels) -> Channels:
        """The channels of the first input, tied to those of the others."""
        first, *others = call.inputs
        for other in others:
            labels.tie(first.labels, other.labels)
        return Channels(first.labels, self._constant(np.stack([source.constants for source in call.inputs])))


def product(factors: np.ndarray) -> np.ndarray:
    """The product along the first axis; a zero makes it zero, whatever varies beside it."""
    return np.where((factors == 0).any(axis=0), 0.0, factors.prod(axis=0))


class Concatenate(Rule):
    """Concatenate along the last axis: channels side by side."""

    def obstacle(self, call: Call) -> str:
        """Along another axis it joins positions."""
        return "" if call.layer.axis in (-1, len(call.shape) - 1) else "another axis than the last"

    def trace(self, call: Call, labels: Labels) -> Channels:
        """The channels of all inputs in turn."""
        return Channels(
            np.concatenate([source.labels for source in call.inputs]),
            np.concatenate([source.constants for source in call.inputs]),
        )


class Flatten(Rule):
    """Flatten: all channels of the first position, then all of the next."""

    def trace(self, call: Call, labels: Labels) -> Channels:
        """Every channel once for each position."""
        (source,) = call.inputs
        positions = (call.shape[-1] or 0) // max(1, len(source.labels))
        return Channels(np.tile(source.labels, positions), np.tile(source.constants, positions))


class Reshape(Rule):
    """Reshape that leaves the last axis as it is."""

    def obstacle(self, call: Call) -> str:
        """Any other reshaping scatters channels."""
        return "" if call.shape[-1] == len(call.inputs[0].labels) else "another last axis than its input"

    def shrink(self, call: Call, output: Channels, keep: np.ndarray) -> Shrunk:
        """The target's last entry counts channels."""
        return Shrunk([], {"target_shape": (*call.layer.target_shape[:-1], int(keep[output.labels].sum()))})

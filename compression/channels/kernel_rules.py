"""Layers with kernels: they make channels (convolutions, dense) or scale them one by one (depthwise, normalization)."""

import numpy as np
import tf_keras as keras

from compression.channels.activations import activated
from compression.channels.labels import Channels, Labels
from compression.channels.rule import Call, Rule, Shrunk


class KernelRule(Rule):
    """A layer with a filter for each output channel."""

    def filters(self, layer: keras.layers.Layer) -> np.ndarray:
        """What makes each output channel: `[weights, output channels]`."""
        raise NotImplementedError


class Mixing(KernelRule):
    """Every output channel sees every input channel: Dense, Conv1D, Conv2D.

    Args:
        size_key: Entry of the configuration that counts output channels.
    """

    def __init__(self, size_key: str) -> None:
        self._size_key = size_key

    def obstacle(self, call: Call) -> str:
        """Grouped convolutions tie input channels to output channels in blocks, which a removal would break."""
        return "groups > 1" if getattr(call.layer, "groups", 1) > 1 else ""

    def kernel(self, layer: keras.layers.Layer) -> np.ndarray:
        """`[positions, input channels, output channels]`."""
        kernel = layer.get_weights()[0]
        return np.asarray(kernel.reshape(-1, *kernel.shape[-2:]))

    def filters(self, layer: keras.layers.Layer) -> np.ndarray:
        """What makes each output channel: `[weights, output channels]`."""
        kernel = self.kernel(layer)
        return kernel.reshape(-1, kernel.shape[-1])

    def trace(self, call: Call, labels: Labels) -> Channels:
        """New channels; one is constant when its filter looks at constant inputs alone."""
        (source,) = call.inputs
        kernel = self.kernel(call.layer)
        known = absorbable(call.layer, source.constants)
        varies = kernel[:, ~known].any(axis=(0, 1))
        constants = np.where(varies, np.nan, _constant_part(kernel, source.constants, known) + _bias(call.layer))
        made = Channels(labels.fresh(kernel.shape[-1]), constants)
        return activated(made, call.layer.activation, call.layer.name, labels)

    def shrink(self, call: Call, output: Channels, keep: np.ndarray) -> Shrunk:
        """Fewer inputs and outputs; what constant inputs that leave had added goes into the bias."""
        (source,) = call.inputs
        stays, made = keep[source.labels], keep[output.labels]
        leaving = absorbable(call.layer, source.constants) & ~stays
        absorbed = _constant_part(self.kernel(call.layer), source.constants, leaving)
        weights = self._sliced(call.layer, stays, made)
        config = {self._size_key: int(made.sum())}
        if call.layer.use_bias or absorbed.any():
            config["use_bias"] = True
            weights.append((_bias(call.layer) + absorbed)[made].astype(np.float32))
        return Shrunk(weights, config)

    def _sliced(self, layer: keras.layers.Layer, stays: np.ndarray, made: np.ndarray) -> list[np.ndarray]:
        return [layer.get_weights()[0][..., stays, :][..., made]]


class Separable(Mixing):
    """SeparableConv1D, SeparableConv2D: a depthwise and a pointwise kernel in one layer."""

    def kernel(self, layer: keras.layers.Layer) -> np.ndarray:
        """The one kernel that does the same as both."""
        depthwise, pointwise = layer.get_weights()[:2]
        inputs, multiplier = depthwise.shape[-2:]
        first = depthwise.reshape(-1, inputs, multiplier)
        return np.asarray(np.einsum("pim,imo->pio", first, pointwise.reshape(inputs, multiplier, -1)))

    def _sliced(self, layer: keras.layers.Layer, stays: np.ndarray, made: np.ndarray) -> list[np.ndarray]:
        depthwise, pointwise = layer.get_weights()[:2]
        between = np.repeat(stays, depthwise.shape[-1])
        return [depthwise[..., stays, :], pointwise[..., between, :][..., made]]


class Depthwise(KernelRule):
    """DepthwiseConv1D, DepthwiseConv2D: every output channel sees one input channel and leaves with it."""

    def filters(self, layer: keras.layers.Layer) -> np.ndarray:
        """What makes each output channel: `[weights, output channels]`."""
        kernel = layer.get_weights()[0]
        return np.asarray(kernel.reshape(-1, kernel.shape[-2] * kernel.shape[-1]))

    def trace(self, call: Call, labels: Labels) -> Channels:
        """The input's channels, each as often as `depth_multiplier` says."""
        (source,), layer = call.inputs, call.layer
        filters = self.filters(layer)
        constants = np.repeat(source.constants, layer.depth_multiplier)
        known = absorbable(layer, constants)
        varies = filters.any(axis=0) & ~known
        constants = np.where(varies, np.nan, np.where(known, constants, 0) * filters.sum(axis=0) + _bias(layer))
        made = Channels(np.repeat(source.labels, layer.depth_multiplier), constants)
        return activated(made, layer.activation, layer.name, labels)

    def shrink(self, call: Call, output: Channels, keep: np.ndarray) -> Shrunk:
        """Fewer channels."""
        kernel, *bias = call.layer.get_weights()
        return Shrunk([kernel[..., keep[call.inputs[0].labels], :], *(values[keep[output.labels]] for values in bias)])


class BatchNorm(Rule):
    """BatchNormalization over the last axis, with its stored statistics."""

    def obstacle(self, call: Call) -> str:
        """Another axis than the last holds no channels."""
        return "" if list(call.layer.axis) == [len(call.shape) - 1] else "another axis than the last"

    def scale(self, layer: keras.layers.Layer) -> np.ndarray | None:
        """The learned scale of every channel; None when the layer learns none."""
        return np.asarray(layer.gamma) if layer.scale else None

    def trace(self, call: Call, labels: Labels) -> Channels:
        """The same channels; one is constant when it was before, and when its scale is zero."""
        (source,), layer = call.inputs, call.layer
        scale = np.asarray(layer.gamma if layer.scale else 1.0, np.float64)
        factor = scale / np.sqrt(np.asarray(layer.moving_variance, np.float64) + layer.epsilon)
        center = np.asarray(layer.beta if layer.center else 0.0, np.float64)
        shift = center - np.asarray(layer.moving_mean, np.float64) * factor
        return Channels(source.labels, np.where(factor == 0, shift, source.constants * factor + shift))

    def shrink(self, call: Call, output: Channels, keep: np.ndarray) -> Shrunk:
        """Fewer channels."""
        return Shrunk([values[keep[output.labels]] for values in call.layer.get_weights()])


def absorbable(layer: keras.layers.Layer, constants: np.ndarray) -> np.ndarray:
    """Which channels a layer's bias can stand for exactly.

    A constant channel adds a constant to every output of the layer that reads it, unless that layer pads with zeros:
    then the border differs. So it is any constant without padding, and zero with it.

    Args:
        layer: A layer with a kernel.
        constants: `[channels]`, as in `Channels`.

    Returns:
        bool `[channels]`.
    """
    # A kernel of one position reaches over no border, whatever its padding is called.
    unpadded = getattr(layer, "padding", "valid") == "valid" or set(layer.kernel_size) == {1}
    return np.asarray((constants == 0) | (np.isfinite(constants) & unpadded))


def _bias(layer: keras.layers.Layer) -> np.ndarray:
    return np.asarray(layer.bias, np.float64) if layer.use_bias else np.zeros(1)


def _constant_part(kernel: np.ndarray, constants: np.ndarray, known: np.ndarray) -> np.ndarray:
    """What the inputs with a known constant add to every output: float64 `[output channels]`."""
    return np.asarray(np.einsum("pio,i->o", kernel[:, known].astype(np.float64), constants[known]))

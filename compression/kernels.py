"""The kernels of a Keras model: the weights that compression works on, by layer."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tf_keras as keras

KERNELS = frozenset({"kernel", "depthwise_kernel", "pointwise_kernel", "recurrent_kernel", "embeddings"})
"""Names of the weights that compression works on; biases, scales and statistics are none."""


@dataclass(frozen=True)
class Kernel:
    """One kernel.

    Attributes:
        layer: Name of its layer, without what a quantization wrapper puts in front.
        weight: Name within the layer: `kernel`, `pointwise_kernel`, ...; the second of the same name is `kernel#2`.
        values: The weights, in Keras's layout.
        scope: The layer's name in the converted graph; quantization wrappers are part of it.
    """

    layer: str
    weight: str
    values: np.ndarray
    scope: str


def kernels(model: keras.Model) -> list[Kernel]:
    """The kernels of all layers, those of nested models included, in the model's order; biases and norms are none."""
    return [kernel for layer in _leaves(model) for kernel in _of_layer(layer)]


def _leaves(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        else:
            yield layer


def _of_layer(layer: keras.layers.Layer) -> Iterator[Kernel]:
    seen: dict[str, int] = {}
    inner = layer.layer if hasattr(layer, "quantize_config") else layer
    for variable in layer.weights:
        name = variable.name.split("/")[-1].split(":")[0]
        if name in KERNELS:
            seen[name] = seen.get(name, 0) + 1
            weight = name if seen[name] == 1 else f"{name}#{seen[name]}"
            yield Kernel(inner.name, weight, variable.numpy(), layer.name)

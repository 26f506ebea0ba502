"""Which layers tfmot's 8-bit scheme can take, found in the graph before any training."""

from dataclasses import dataclass

import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit.default_8bit_quantize_registry import (
    Default8BitQuantizeRegistry,
)

_LAYER_ACTIVATIONS = frozenset({"linear", "relu", "softmax", "sigmoid", "tanh", "gelu", "swish"})
"""What `QuantizeAwareActivation` takes inside a convolution or dense layer."""

_ACTIVATION_LAYERS = _LAYER_ACTIVATIONS | {"relu6"}
"""What `Default8BitActivationQuantizeConfig` takes as a layer of its own."""

_FOLDS_BATCH_NORM = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
_SPLIT_BY_TFMOT = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)


@dataclass(frozen=True)
class QatLayers:
    """What quantization-aware training does with each layer, in the model's order (inputs left out).

    Attributes:
        quantized: Layers that get quantizers.
        left_float: Layers that stay float: skipped, or unsupported.
    """

    quantized: tuple[str, ...]
    left_float: tuple[str, ...]


def sort_layers(model: keras.Model, skipped: set[str]) -> tuple[QatLayers, tuple[str, ...]]:
    """Sorts the layers into quantized and float.

    A batch normalization that follows a float convolution stays float with it, without being unsupported: it is part
    of that convolution.

    Args:
        model: A plain model without nested or tied layers.
        skipped: Names of layers to leave float.

    Returns:
        The plan, and one description (name, class, reason) per unsupported layer.
    """
    reasons = unsupported_layers(model)
    quantized: list[str] = []
    left_float: list[str] = []
    unsupported: list[str] = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        if layer.name in skipped or _follows_float(layer, left_float):
            left_float.append(layer.name)
        elif layer.name in reasons:
            left_float.append(layer.name)
            unsupported.append(f"{layer.name} ({reasons[layer.name]})")
        else:
            quantized.append(layer.name)
    return QatLayers(tuple(quantized), tuple(left_float)), tuple(unsupported)


def unsupported_layers(model: keras.Model) -> dict[str, str]:
    """Why tfmot cannot take layers of a model without nested or tied ones, by name: class and reason."""
    layers = (layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer))
    reasons = ((layer, _unsupported_reason(layer, model)) for layer in layers)
    return {layer.name: f"{type(layer).__name__}: {reason}" for layer, reason in reasons if reason}


def _follows_float(layer: keras.layers.Layer, left_float: list[str]) -> bool:
    producer = _producer(layer)
    folds = isinstance(layer, keras.layers.BatchNormalization) and type(producer) in _FOLDS_BATCH_NORM
    return folds and producer is not None and producer.name in left_float


def _unsupported_reason(layer: keras.layers.Layer, model: keras.Model) -> str:
    """Why tfmot cannot take the layer; empty when it can."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return _batch_norm_reason(layer, model)
    if isinstance(layer, _SPLIT_BY_TFMOT):
        # Only the two halves that tfmot makes of it exist in the quantized graph.
        return _activation_reason(layer, _LAYER_ACTIVATIONS)
    if not Default8BitQuantizeRegistry().supports(layer):
        return "not supported by tfmot"
    is_activation = isinstance(layer, keras.layers.Activation)
    return _activation_reason(layer, _ACTIVATION_LAYERS if is_activation else _LAYER_ACTIVATIONS)


def has_unknown_activation(layer: keras.layers.Layer) -> bool:
    """Whether tfmot, which knows the layer's class, cannot take its activation.

    Where tfmot folds a normalization into the layer, it has put an activation of its own there, which does nothing.
    """
    is_activation = isinstance(layer, keras.layers.Activation)
    known = (_ACTIVATION_LAYERS if is_activation else _LAYER_ACTIVATIONS) | {"NoOpActivation"}
    return bool(_activation_reason(layer, known))


def _activation_reason(layer: keras.layers.Layer, allowed: frozenset[str]) -> str:
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", type(activation).__name__)
    return "" if activation is None or name in allowed else f"activation {name} not supported by tfmot"


def _batch_norm_reason(layer: keras.layers.Layer, model: keras.Model) -> str:
    producer = _producer(layer)
    # Exact classes: Conv2DTranspose and Conv1D are not in tfmot's patterns, though the first is a Conv2D in Keras.
    if producer is None or type(producer) not in (*_FOLDS_BATCH_NORM, *_SPLIT_BY_TFMOT):
        return "folds only into a Conv2D, DepthwiseConv2D, SeparableConv or Dense directly before it"
    if getattr(producer.activation, "__name__", "") != "linear":
        return f"{producer.name} before it has an activation of its own; move it behind the normalization"
    if _consumers(producer, model) != 1:
        return f"{producer.name} before it feeds other layers too"
    return ""


def _producer(layer: keras.layers.Layer) -> keras.layers.Layer | None:
    """The layer that makes this layer's only input; none when there are several."""
    source = layer.input
    return None if isinstance(source, list | tuple | dict) else source._keras_history.layer


def _consumers(layer: keras.layers.Layer, model: keras.Model) -> int:
    """How often the layer's output is used inside the model, as an input of layers and as an output."""
    nodes = (node for depth in model._nodes_by_depth.values() for node in depth)
    uses = sum(id(tensor) == id(layer.output) for node in nodes for tensor in _tensors(node))
    return uses + sum(output is layer.output for output in model.outputs)


def _tensors(node: "keras.engine.node.Node") -> list[object]:
    return [] if node.is_input else list(node.keras_inputs)

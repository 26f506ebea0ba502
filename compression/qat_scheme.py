"""tfmot's 8-bit scheme, mended for float layers beside quantized ones and for weights that are shared."""

from typing import Any

import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_configs,
    default_8bit_quantize_registry,
    default_8bit_quantize_scheme,
    default_8bit_quantizers,
)
from tensorflow_model_optimization.python.core.quantization.keras.quantize_config import QuantizeConfig

from compression.qat_layers import has_unknown_activation

_PlainRegistry = default_8bit_quantize_registry.Default8BitQuantizeRegistry
_ConvConfig = default_8bit_quantize_registry.Default8BitConvQuantizeConfig
_OutputConfig = default_8bit_quantize_configs.Default8BitOutputQuantizeConfig


class OneRangeConvWeightsQuantizer(default_8bit_quantizers.Default8BitConvWeightsQuantizer):  # type: ignore[misc]
    """Gives every channel of a convolution the range of the whole kernel.

    With a range for each channel, one shared weight becomes a different integer in every channel: 16 values turn into
    dozens, and the file compresses hardly better for being clustered. With one range they stay 16. The converter still
    gets one scale per channel, so that it can fold batch normalization into the scales without touching the integers.
    """

    def __call__(
        self, inputs: tf.Tensor, training: bool, weights: dict[str, tf.Variable], **kwargs: object
    ) -> tf.Tensor:
        """The kernel as 8 bits would hold it, `[..., channels]`; training also updates the ranges."""
        del kwargs
        lowest, highest = weights["min_var"], weights["max_var"]
        if training:
            limit = tf.stop_gradient(tf.fill(highest.shape, tf.reduce_max(tf.abs(inputs))))
            lowest, highest = lowest.assign(-limit), highest.assign(limit)
        return tf.quantization.fake_quant_with_min_max_vars_per_channel(
            inputs, lowest, highest, num_bits=self.num_bits, narrow_range=self.narrow_range
        )

    def get_config(self) -> dict[str, Any]:
        """Nothing to configure."""
        return {}


class OneRangeConvQuantizeConfig(default_8bit_quantize_registry.Default8BitConvQuantizeConfig):  # type: ignore[misc]
    """What `Default8BitConvQuantizeConfig` quantizes, weights by one range."""

    def __init__(self, weight_attrs: list[str], activation_attrs: list[str], quantize_output: bool) -> None:
        super().__init__(weight_attrs, activation_attrs, quantize_output)
        self.weight_quantizer = OneRangeConvWeightsQuantizer()


CUSTOM_OBJECTS: dict[str, type] = {
    "OneRangeConvQuantizeConfig": OneRangeConvQuantizeConfig,
    "OneRangeConvWeightsQuantizer": OneRangeConvWeightsQuantizer,
}
"""What loading a model needs beyond tfmot's own classes."""


class MendedRegistry:
    """Quantizes the outputs of float layers that a quantized layer reads, and shared weights by one range.

    tfmot asks its registry about every float layer right before a quantized one. When the registry does not know
    such a layer, its output gets no range, and the converter silently computes the *next* layer in float although it
    was trained for integers. This one gives the output a trained range and leaves the layer's own arithmetic alone.

    Args:
        shared: Names of the convolutions whose weights are shared.
    """

    def __init__(self, shared: frozenset[str] = frozenset()) -> None:
        self._plain = _PlainRegistry()
        self._shared = shared

    def supports(self, layer: keras.layers.Layer) -> bool:
        """Whether the layer's output can get a quantizer."""
        return bool(self._plain.supports(layer)) or _has_one_float_output(layer)

    def get_quantize_config(self, layer: keras.layers.Layer) -> QuantizeConfig:
        """Tfmot's quantizers where it knows some, else one for the output."""
        if not self._plain.supports(layer) or has_unknown_activation(layer):
            return _OutputConfig()
        config = self._plain.get_quantize_config(layer)
        if layer.name in self._shared and type(config) is _ConvConfig:
            return OneRangeConvQuantizeConfig(**config.get_config())
        return config


def _has_one_float_output(layer: keras.layers.Layer) -> bool:
    # Wrappers cannot hold bare TensorFlow operators: these have no output shape to ask for.
    if type(layer).__module__.endswith("tf_op_layer"):
        return False
    if isinstance(layer, keras.layers.BatchNormalization) and _feeds_relu(layer):
        return False  # a range of its own would keep the converter from fusing the two
    return not isinstance(layer.output, list | tuple | dict) and layer.output.dtype.is_floating


def _feeds_relu(layer: keras.layers.Layer) -> bool:
    return all(isinstance(node.layer, keras.layers.ReLU | keras.layers.Activation) for node in layer._outbound_nodes)


class MendedScheme(default_8bit_quantize_scheme.Default8BitQuantizeScheme):  # type: ignore[misc]
    """8-bit quantization: weights per channel in convolutions, activations per tensor.

    Args:
        shared: Names of the convolutions whose weights are shared.
    """

    def __init__(self, shared: frozenset[str] = frozenset(), **arguments: object) -> None:
        super().__init__(**arguments)
        self._shared = shared

    def get_quantize_registry(self) -> MendedRegistry:
        """The registry that `quantize_apply` asks for every layer's quantizers."""
        return MendedRegistry(self._shared)

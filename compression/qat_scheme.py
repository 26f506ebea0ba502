"""tfmot's 8-bit schemes, mended where a layer that stays float meets layers that do not."""

import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve import (
    default_8bit_prune_preserve_quantize_scheme as preserve_scheme,
)
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve import (
    prune_preserve_quantize_registry as preserve_registry,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_configs,
    default_8bit_quantize_registry,
    default_8bit_quantize_scheme,
)
from tensorflow_model_optimization.python.core.quantization.keras.quantize_config import QuantizeConfig
from tensorflow_model_optimization.python.core.quantization.keras.quantize_registry import QuantizeRegistry

_PlainRegistry = default_8bit_quantize_registry.Default8BitQuantizeRegistry
_PreserveRegistry = preserve_registry.Default8bitPrunePreserveQuantizeRegistry
_OutputConfig = default_8bit_quantize_configs.Default8BitOutputQuantizeConfig


class OutputQuantizingRegistry:
    """Quantizes the outputs of float layers that a quantized layer reads.

    tfmot asks its registry about every float layer right before a quantized one. When the registry does not know
    such a layer, its output gets no range, and the converter silently computes the *next* layer in float although it
    was trained for integers. (The sparsity-preserving registry fails instead: it claims to know every layer without
    weights.) This one gives the output a trained range and leaves the layer's own arithmetic alone.
    """

    def __init__(self, known: QuantizeRegistry) -> None:
        self._plain = _PlainRegistry()
        self._known = known

    def supports(self, layer: keras.layers.Layer) -> bool:
        """Whether the layer's output can get a quantizer."""
        return self._known_to_both(layer) or _has_one_float_output(layer)

    def get_quantize_config(self, layer: keras.layers.Layer) -> QuantizeConfig:
        """The known quantizers where there are some, else one for the output."""
        return self._known.get_quantize_config(layer) if self._known_to_both(layer) else _OutputConfig()

    def _known_to_both(self, layer: keras.layers.Layer) -> bool:
        return bool(self._plain.supports(layer) and self._known.supports(layer))


def _has_one_float_output(layer: keras.layers.Layer) -> bool:
    # Wrappers cannot hold bare TensorFlow operators: these have no output shape to ask for.
    if type(layer).__module__.endswith("tf_op_layer"):
        return False
    if isinstance(layer, keras.layers.BatchNormalization) and _feeds_relu(layer):
        return False  # a range of its own would keep the converter from fusing the two
    return not isinstance(layer.output, list | tuple | dict) and layer.output.dtype.is_floating


def _feeds_relu(layer: keras.layers.Layer) -> bool:
    return all(isinstance(node.layer, keras.layers.ReLU | keras.layers.Activation) for node in layer._outbound_nodes)


class Default8BitScheme(default_8bit_quantize_scheme.Default8BitQuantizeScheme):  # type: ignore[misc]
    """8-bit quantization: weights per channel in convolutions, activations per tensor."""

    def get_quantize_registry(self) -> OutputQuantizingRegistry:
        """The registry that `quantize_apply` asks for every layer's quantizers."""
        return OutputQuantizingRegistry(_PlainRegistry())


class SparsityPreservingScheme(preserve_scheme.Default8BitPrunePreserveQuantizeScheme):  # type: ignore[misc]
    """The same in which weights that are zero stay zero."""

    def get_quantize_registry(self) -> OutputQuantizingRegistry:
        """The registry that `quantize_apply` asks for every layer's quantizers."""
        return OutputQuantizingRegistry(_PreserveRegistry())

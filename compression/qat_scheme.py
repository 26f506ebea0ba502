"""tfmot's 8-bit schemes, with one repair."""

import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve import (
    default_8bit_prune_preserve_quantize_scheme as preserve_scheme,
)
from tensorflow_model_optimization.python.core.quantization.keras.collab_opts.prune_preserve import (
    prune_preserve_quantize_registry as preserve_registry,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
    default_8bit_quantize_registry,
    default_8bit_quantize_scheme,
)

Default8BitScheme = default_8bit_quantize_scheme.Default8BitQuantizeScheme


class SparsityPreservingRegistry(preserve_registry.Default8bitPrunePreserveQuantizeRegistry):  # type: ignore[misc]
    """Sparsity-preserving registry that admits what it does not know.

    tfmot's own calls every layer without trainable weights supported and then fails with "called on an unsupported
    layer" when such a layer (MaxPooling1D, say) is left float before a quantized one.
    """

    def supports(self, layer: keras.layers.Layer) -> bool:
        """Whether both the 8-bit scheme and its sparsity-preserving form take the layer."""
        plain = default_8bit_quantize_registry.Default8BitQuantizeRegistry()
        return plain.supports(layer) and bool(super().supports(layer))


class SparsityPreservingScheme(preserve_scheme.Default8BitPrunePreserveQuantizeScheme):  # type: ignore[misc]
    """8-bit quantization in which weights that are zero stay zero."""

    def get_quantize_registry(self) -> SparsityPreservingRegistry:
        """The registry that `quantize_apply` asks for every layer's quantizers."""
        return SparsityPreservingRegistry()

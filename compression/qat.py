"""Quantization-aware training (Jacob et al. 2018, arXiv:1712.05877) by tfmot's 8-bit scheme.

What earlier steps made survives by rewriting gradients, not by tfmot's preserving schemes: see `compression.structure`.
"""

import tensorflow_model_optimization as tfmot
import tf_keras as keras
from tensorflow_model_optimization.python.core.quantization.keras import quantize_layer, quantize_wrapper

from compression import keras_models
from compression.data import TrainingData
from compression.determinism import seed_everything
from compression.errors import CompressionError
from compression.layer_names import match_layers
from compression.qat_layers import QatLayers, sort_layers
from compression.qat_ranges import set_ranges
from compression.qat_scheme import MendedScheme
from compression.settings import QatSettings
from compression.structure import Keep, is_shared
from compression.training import OnEpoch, finetune

_RANGE_EXAMPLES = 512

__all__ = ["QatLayers", "is_quantization_aware", "plan_layers", "quantization_aware", "with_quantizers"]


def quantization_aware(
    model: keras.Model,
    data: TrainingData,
    settings: QatSettings,
    *,
    keep: Keep | None = None,
    teacher: keras.Model | None = None,
    on_epoch: OnEpoch | None = None,
) -> keras.Model:
    """Fine-tunes a model that computes as if its weights and activations were 8-bit.

    Args:
        model: A plain Functional or Sequential model, pruning stripped; it is not changed.
        data: `train` is fitted; `validation` is only reported.
        settings: What fine-tuning needs, and what to do with layers that cannot be quantized.
        keep: What steps before have made. Without it a few steps fill a pruned kernel again and undo sharing.
        teacher: Whose answers count, when `settings.teacher` says so.
        on_epoch: Called after every epoch.

    Returns:
        A model with tfmot's wrappers: same inputs, layers named `quant_<name>`, ranges trained. `compression.quantize`
        turns it into integers.

    Raises:
        CompressionError: Layers that cannot be quantized (before any training), nested models, tied layers.
    """
    keep = keep or Keep()
    seed_everything(data.seed)
    aware = with_quantizers(model, settings, keep=keep)
    set_ranges(aware, data.train.take_arrays(_RANGE_EXAMPLES)[0])
    finetune(aware, data, settings, teacher=teacher, keep=keep, on_epoch=on_epoch)
    return aware


def with_quantizers(model: keras.Model, settings: QatSettings, *, keep: Keep | None = None) -> keras.Model:
    """The model that `quantization_aware` trains, its ranges not yet set.

    Args:
        model: As there.
        settings: As there.
        keep: As there.

    Raises:
        CompressionError: As there.
    """
    plan = plan_layers(model, settings)
    one_range = _one_range(model) if keep is not None and keep.sharing == "tensor" else frozenset()
    return _wrap(keras_models.copy(model), plan, one_range)


def plan_layers(model: keras.Model, settings: QatSettings) -> QatLayers:
    """Which layers will be quantized and which stay float; reads the graph only and takes no time.

    Args:
        model: A plain Functional or Sequential model.
        settings: `skip` and `unsupported_layers`.

    Raises:
        CompressionError: A nested model, tied layers, a skip pattern that matches nothing, nothing left to quantize,
            or unsupported layers when `unsupported_layers` is `refuse`.
    """
    keras_models.refuse_nested(model, "qat")
    if is_quantization_aware(model):
        raise CompressionError("qat needs a plain model, got one that is quantization-aware already; remove one qat")
    tied = keras_models.shared_layers(model)
    if tied:
        raise CompressionError(
            f"qat needs layers that are called once, got {', '.join(tied)} called several times: tfmot would learn one "
            "range for all calls; use one layer per call, or leave the qat step out (quantize takes tied layers)"
        )
    skipped = match_layers(settings.skip, [layer.name for layer in model.layers])
    plan, unsupported = sort_layers(model, skipped)
    if unsupported and settings.unsupported_layers == "refuse":
        raise CompressionError(
            f"qat must be able to quantize every layer, but cannot take {'; '.join(unsupported)}; "
            "set `unsupported_layers: float` to leave them float, or replace the layers"
        )
    if not plan.quantized:
        raise CompressionError("qat needs at least one layer to quantize, got none; shorten `skip` or leave qat out")
    return plan


def is_quantization_aware(model: keras.Model) -> bool:
    """Whether the model carries tfmot's quantization wrappers, and with them trained ranges."""
    kinds = (quantize_wrapper.QuantizeWrapper, quantize_layer.QuantizeLayer)
    return any(isinstance(layer, kinds) for layer in model.layers)


def _one_range(model: keras.Model) -> frozenset[str]:
    """Convolutions whose weights are shared by the whole kernel."""
    convolutions = (layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    return frozenset(layer.name for layer in convolutions if is_shared(layer.get_weights()[0]))


def _wrap(model: keras.Model, plan: QatLayers, one_range: frozenset[str]) -> keras.Model:
    chosen = set(plan.quantized)

    def annotate(layer: keras.layers.Layer) -> keras.layers.Layer:
        return tfmot.quantization.keras.quantize_annotate_layer(layer) if layer.name in chosen else layer

    with keras_models.quantize_scope():
        annotated = keras.models.clone_model(model, clone_function=annotate)
        try:
            return tfmot.quantization.keras.quantize_apply(annotated, MendedScheme(one_range))
        except (ValueError, RuntimeError, TypeError, KeyError) as error:
            # tfmot names the layer in its own words; the plan above should have found it.
            raise CompressionError(
                f"qat needs a graph that tfmot can rewrite, got: {error}; name the layer in `skip`, or replace it"
            ) from error

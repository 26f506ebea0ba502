"""Magnitude pruning (Zhu and Gupta 2017, arXiv:1710.01878) by tfmot: single weights, blocks, or m of every n."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from tensorflow_model_optimization.python.core.sparsity.keras.prune_registry import PruneRegistry

from compression import keras_models
from compression.data import TrainingData
from compression.determinism import seed_everything
from compression.errors import CompressionError
from compression.layer_names import match_layers
from compression.settings import PruneSettings
from compression.sparsity import layer_targets
from compression.training import OnEpoch, finetune, steps_per_epoch


@dataclass(frozen=True)
class StepSchedule:
    """A pruning schedule in optimizer steps.

    Attributes:
        begin: Step at which the schedule begins.
        end: Step at which the masks of the final sparsity are made.
        frequency: Steps between two updates of the masks; divides `end - begin`.
    """

    begin: int
    end: int
    frequency: int


def prune(
    model: keras.Model,
    data: TrainingData,
    settings: PruneSettings,
    *,
    teacher: keras.Model | None = None,
    on_epoch: OnEpoch | None = None,
) -> keras.Model:
    """Prunes kernels to their targets while fine-tuning.

    A layer that the model calls several times stays one layer and is pruned once.

    Args:
        model: A Functional or Sequential model without nested models; it is not changed.
        data: `train` is fitted; `validation` is only reported.
        settings: Targets, schedule in epochs, and what fine-tuning needs.
        teacher: Whose answers count, when `settings.teacher` says so.
        on_epoch: Called after every epoch.

    Returns:
        A plain model (no wrappers, not compiled) with the input's layer names. Every pruned kernel of n weights has
        n - round(n * (1 - target)) zeros, fewer only where weights of equal magnitude stand at the threshold.

    Raises:
        CompressionError: Nothing to prune, a nested model, a pattern that matches no layer, or kernels whose shape
            takes no blocks.
    """
    targets = plan_sparsity(model, settings)
    seed_everything(data.seed)
    schedule = step_schedule(settings, steps_per_epoch(data.train.size, settings.batch_size))
    calls = keras_models.layer_calls(model)
    pattern = _pattern(settings)

    def wrap(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer.name not in targets:
            return layer
        # tfmot counts calls of the wrapper, not optimizer steps, so a shared layer's clock runs faster.
        pace = calls[layer.name]
        return tfmot.sparsity.keras.prune_low_magnitude(
            layer,
            pruning_schedule=tfmot.sparsity.keras.PolynomialDecay(
                initial_sparsity=min(settings.initial_sparsity, targets[layer.name]),
                final_sparsity=targets[layer.name],
                begin_step=schedule.begin * pace,
                end_step=schedule.end * pace,
                frequency=schedule.frequency * pace,
            ),
            **pattern,
        )

    wrapped = keras.models.clone_model(keras_models.copy(model), clone_function=wrap)
    update = tfmot.sparsity.keras.UpdatePruningStep()
    finetune(wrapped, data, settings, [update], teacher=teacher, on_epoch=on_epoch)
    # Stripping alone keeps layers bound to the wrapped graph; the copy forgets it.
    return keras_models.copy(tfmot.sparsity.keras.strip_pruning(wrapped))


def plan_sparsity(model: keras.Model, settings: PruneSettings) -> dict[str, float]:
    """The share of zeros that `prune` gives each layer's kernel; reads the model only and takes no time.

    Raises:
        CompressionError: As `prune`.
    """
    keras_models.refuse_nested(model, "prune")
    names = prunable_layers(model, settings.skip)
    if not names:
        raise CompressionError(
            "prune needs at least one convolution or dense layer that is not skipped, got none; "
            "shorten `skip` or leave this step out"
        )
    kernels = {name: _kernel(model.get_layer(name)) for name in names}
    _check_pattern(kernels, settings)
    # A target of zero would still cost a wrapper.
    return {name: target for name, target in layer_targets(kernels, settings).items() if target > 0.0}


def prunable_layers(model: keras.Model, skip: tuple[str, ...] = ()) -> list[str]:
    """Names of the layers whose kernels `prune` would prune, in the model's order.

    Depthwise kernels are left dense, as tfmot does: they hold few weights and lose much when pruned. So are biases and
    normalizations.

    Args:
        model: Any Functional or Sequential model.
        skip: Names or patterns of layers to leave dense.

    Raises:
        CompressionError: When a pattern matches no layer.
    """
    skipped = match_layers(skip, [layer.name for layer in model.layers])
    return [layer.name for layer in model.layers if layer.name not in skipped and _has_prunable_kernel(layer)]


def _has_prunable_kernel(layer: keras.layers.Layer) -> bool:
    # Recurrent layers are "supported" without a kernel of their own name; the masks go to their cells.
    return PruneRegistry.supports(layer) and (
        PruneRegistry._is_rnn_layer(layer) or bool(PruneRegistry._weight_names(layer))
    )


def prunable_weights(layer: keras.layers.Layer) -> list[tf.Variable]:
    """The weights that tfmot prunes in a layer that it supports."""
    return list(PruneRegistry.make_prunable(layer).get_prunable_weights())


def _kernel(layer: keras.layers.Layer) -> np.ndarray:
    """All weights that tfmot prunes in a layer, as one array where there are several."""
    arrays = [weight.numpy() for weight in prunable_weights(layer)]
    return arrays[0] if len(arrays) == 1 else np.concatenate([array.reshape(-1) for array in arrays])


def _check_pattern(kernels: dict[str, np.ndarray], settings: PruneSettings) -> None:
    for key, given, ranks in (("block_size", settings.block_size, (2,)), ("m_by_n", settings.m_by_n, (2, 4))):
        misfits = [name for name, kernel in kernels.items() if kernel.ndim not in ranks]
        if given is not None and misfits:
            shapes = " or ".join(map(str, ranks))
            raise CompressionError(
                f"{key} needs kernels of {shapes} dimensions, but {', '.join(misfits)} have others; name them in "
                f"`skip`, or leave {key} out"
            )


def _pattern(settings: PruneSettings) -> dict[str, Any]:
    if settings.m_by_n is not None:
        return {"sparsity_m_by_n": settings.m_by_n}
    if settings.block_size is not None:
        pooling = {"average": "AVG", "max": "MAX"}[settings.block_pooling]
        return {"block_size": settings.block_size, "block_pooling_type": pooling}
    return {}


def step_schedule(settings: PruneSettings, steps: int) -> StepSchedule:
    """The schedule in optimizer steps.

    tfmot updates masks only at `begin + i * frequency`, so `begin` is moved later by less than one period to make
    `end` one of these steps; otherwise the final sparsity would never be reached.

    Args:
        settings: The schedule in epochs.
        steps: Optimizer steps in an epoch.

    >>> step_schedule(PruneSettings(sparsity=0.5, epochs=3, updates_per_epoch=4), steps=10)
    StepSchedule(begin=0, end=20, frequency=2)
    """
    end = max(1, round(settings.final_epoch * steps))
    begin = min(round(settings.begin_epoch * steps), end - 1)
    frequency = min(max(1, steps // settings.updates_per_epoch), end - begin)
    return StepSchedule(begin=begin + (end - begin) % frequency, end=end, frequency=frequency)

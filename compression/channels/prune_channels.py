"""Structured pruning: whole filters and units leave the model, so that the raw file and the latency shrink."""

import tf_keras as keras

from compression import keras_models
from compression.channels.graph import trace
from compression.channels.rebuild import rebuild
from compression.channels.selection import ChannelGroup, select
from compression.data import TrainingData
from compression.determinism import seed_everything
from compression.settings import PruneChannelsSettings
from compression.training import OnEpoch, finetune

__all__ = ["ChannelGroup", "plan_channels", "prune_channels"]


def plan_channels(model: keras.Model, settings: PruneChannelsSettings) -> tuple[ChannelGroup, ...]:
    """Which channels belong together and how many of them would leave; reads the model only and takes no time.

    Args:
        model: A plain Functional or Sequential model.
        settings: What to remove.

    Raises:
        CompressionError: As in `prune_channels`.
    """
    return select(trace(model, skip=settings.skip, unsupported=settings.unsupported_layers), settings).groups


def prune_channels(
    model: keras.Model,
    data: TrainingData,
    settings: PruneChannelsSettings,
    *,
    teacher: keras.Model | None = None,
    on_epoch: OnEpoch | None = None,
) -> keras.Model:
    """Removes the channels that seem to matter least, then fine-tunes.

    Channels that are dead already leave first, and exactly: with `ratio: 0` and `epochs: 0` the result computes what
    the model computed, up to rounding of float sums.

    Args:
        model: A plain Functional or Sequential model without nested models and shared layers; it is not changed.
        data: `train` is fitted; `validation` is only reported.
        settings: What to remove, and what fine-tuning needs.
        teacher: A model to learn from while fine-tuning.
        on_epoch: Called after every epoch.

    Returns:
        A smaller model, not compiled, with the input's layer names, inputs and outputs.

    Raises:
        CompressionError: Layers that cannot be followed (before any training), nothing that may leave, patterns that
            match nothing or contradict each other, or settings that keep everything.
    """
    graph = trace(model, skip=settings.skip, unsupported=settings.unsupported_layers)
    keep = select(graph, settings).keep
    seed_everything(data.seed)
    smaller = rebuild(model, graph, keep)
    if not settings.epochs:
        return smaller
    # Zeros among the weights that stay are not held yet: this call is the place for it.
    learning = {} if teacher is None else {"teacher": teacher}
    finetune(smaller, data, settings, on_epoch=on_epoch, **learning)
    return keras_models.copy(smaller)

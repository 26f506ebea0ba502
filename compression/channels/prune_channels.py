"""Structured pruning: whole filters and units leave the model, so that the raw file and the latency shrink."""

import tf_keras as keras

from compression import keras_models
from compression.channels.graph import ChannelGraph, trace
from compression.channels.rebuild import rebuild
from compression.channels.selection import ChannelGroup, Selection, select
from compression.data import TrainingData
from compression.determinism import seed_everything
from compression.settings import PruneChannelsSettings
from compression.structure import Keep
from compression.training import OnEpoch, finetune

__all__ = ["ChannelGroup", "plan_channels", "prune_channels", "remove_channels"]


def prune_channels(
    model: keras.Model,
    data: TrainingData,
    settings: PruneChannelsSettings,
    *,
    keep: Keep | None = None,
    teacher: keras.Model | None = None,
    on_epoch: OnEpoch | None = None,
) -> keras.Model:
    """Removes the channels that seem to matter least, then fine-tunes.

    Args:
        model: A plain Functional or Sequential model without nested models and shared layers; it is not changed.
        data: `train` is fitted; `validation` is only reported.
        settings: What to remove, and what fine-tuning needs.
        keep: What the steps before have made and fine-tuning must not undo.
        teacher: Whose answers count, when `settings.teacher` says so.
        on_epoch: Called after every epoch.

    Returns:
        A smaller model, not compiled, with the input's layer names, inputs and outputs.

    Raises:
        CompressionError: As `remove_channels`, before any training.
    """
    seed_everything(data.seed)
    smaller = remove_channels(model, settings)
    if settings.epochs:
        finetune(smaller, data, settings, teacher=teacher, keep=keep, on_epoch=on_epoch)
    return keras_models.copy(smaller)


def remove_channels(model: keras.Model, settings: PruneChannelsSettings) -> keras.Model:
    """Removes channels without training.

    Channels that are dead already leave first, and exactly: with `ratio: 0` the result computes what the model
    computed, up to rounding of float sums.

    Args:
        model: A plain Functional or Sequential model without nested models and shared layers; it is not changed.
        settings: What to remove.

    Returns:
        A smaller model, not compiled, with the input's layer names, inputs and outputs.

    Raises:
        CompressionError: Layers through which channels cannot be followed, nothing that may leave, patterns that
            match nothing or contradict each other, or settings that keep every channel.
    """
    graph, selection = _selected(model, settings)
    return rebuild(model, graph, selection.keep)


def plan_channels(model: keras.Model, settings: PruneChannelsSettings) -> tuple[ChannelGroup, ...]:
    """Which channels belong together and how many of them would leave; reads the model only and takes no time.

    Args:
        model: A plain Functional or Sequential model.
        settings: What to remove.

    Raises:
        CompressionError: As `remove_channels`.
    """
    return _selected(model, settings)[1].groups


def _selected(model: keras.Model, settings: PruneChannelsSettings) -> tuple[ChannelGraph, Selection]:
    graph = trace(model, skip=settings.skip, unsupported=settings.unsupported_layers)
    return graph, select(graph, settings)

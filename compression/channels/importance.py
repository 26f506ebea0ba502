"""How much a channel seems to matter, judged by the weights that make it."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from compression.channels.graph import ChannelGraph
from compression.channels.kernel_rules import BatchNorm, KernelRule
from compression.errors import CompressionError

Importance = Literal["l1", "l2", "batch_norm"]

_ORDERS: dict[Importance, int] = {"l1": 1, "l2": 2, "batch_norm": 1}


def slot_scores(graph: ChannelGraph, importance: Importance) -> np.ndarray:
    """Scores of all slots: float64 `[slots]`, at least 0; the lowest can be missed best.

    A layer's norms are divided by the mean of those that are not zero, so that layers of any size can be compared. A
    slot's score is the mean over all channels in it.

    Args:
        graph: The traced model.
        importance: `l1` or `l2`: norm of the filter that makes a channel (Li et al. 2017, arXiv:1608.08710).
            `batch_norm`: size of its batch-normalization scale (Liu et al. 2017, arXiv:1708.06519); slots without one
            are scored by `l1`.

    Raises:
        CompressionError: `batch_norm` for a model that learns no such scale.
    """
    by_filter = _means(graph, _filter_norms(graph, _ORDERS[importance]))
    if importance != "batch_norm":
        return by_filter
    by_scale = _means(graph, _scales(graph))
    if all(group.kept_for or np.isnan(by_scale[group.slots]).all() for group in graph.groups):
        raise CompressionError(
            "importance batch_norm needs at least one BatchNormalization with scale=True behind a layer that can lose "
            "channels, got none; choose l1 or l2"
        )
    return np.where(np.isnan(by_scale), by_filter, by_scale)


def _filter_norms(graph: ChannelGraph, order: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for row in graph.layers:
        if isinstance(row.rule, KernelRule):
            yield row.output.labels, np.linalg.norm(row.rule.filters(row.layer), ord=order, axis=0)


def _scales(graph: ChannelGraph) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for row in graph.layers:
        if isinstance(row.rule, BatchNorm) and (scale := row.rule.scale(row.layer)) is not None:
            yield row.output.labels, np.abs(scale)


def _means(graph: ChannelGraph, found: Iterator[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """The mean score of every slot; NaN for slots that nothing scores."""
    count = len(graph.dead)
    sums, channels = np.zeros(count), np.zeros(count)
    for labels, norms in found:
        alive = norms[norms > 0]
        slots = graph.slots[labels]
        np.add.at(sums, slots, norms / alive.mean() if alive.size else norms)
        np.add.at(channels, slots, 1)
    return np.asarray(np.divide(sums, channels, out=np.full(count, np.nan), where=channels > 0))

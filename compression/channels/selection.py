"""Which channels leave: how many of every group, and which ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compression.channels.graph import ChannelGraph, Group
from compression.channels.importance import slot_scores
from compression.errors import CompressionError
from compression.layer_names import first_match
from compression.settings import PruneChannelsSettings


@dataclass(frozen=True)
class ChannelGroup:
    """What becomes of the channels that certain layers share.

    Attributes:
        layers: Names of these layers, in the model's order; a layer may share some channels with one layer and some
            with another, and then stands in several groups.
        before: Removable units now: one is a channel of every layer, or all that only leave together with it.
        after: Units that stay.
        dead: Units whose removal changes no output.
        kept_for: What all of them are kept for; empty when they may leave.
    """

    layers: tuple[str, ...]
    before: int
    after: int
    dead: int
    kept_for: str


@dataclass(frozen=True)
class Selection:
    """The plan, and as bool `[slots]` what stays."""

    groups: tuple[ChannelGroup, ...]
    keep: np.ndarray


def select(graph: ChannelGraph, settings: PruneChannelsSettings) -> Selection:
    """Decides what stays.

    Of a group of n units, n - round(n * ratio) stay, or as many as are not dead if that is fewer; then at least
    `min_channels`, rounded up to a multiple of `round_to`, and never more than n. Dead units leave first, then those
    with the lowest score.

    Raises:
        CompressionError: Nothing that may leave, a pattern in `layers` that matches nothing or what must stay, several
            ratios for one group, or settings that keep every channel.
    """
    free = _free_groups(graph)
    scores = slot_scores(graph, settings.importance)
    own = _own_ratios(graph.groups, settings)
    keep = np.ones(len(graph.dead), bool)
    for group, count in zip(free, _wanted(free, own, scores, settings), strict=True):
        slots = group.slots[np.lexsort((scores[group.slots], ~graph.dead[group.slots]))]
        stays = _rounded(len(slots), max(count, int(graph.dead[slots].sum())), settings)
        keep[slots[: len(slots) - stays]] = False
    highest = max(own.get(group.layers, settings.ratio) for group in free)
    if keep.all() and highest > 0:
        raise CompressionError(
            f"prune_channels must remove something, but ratio {highest:g} of at most "
            f"{max(len(group.slots) for group in free)} channels, min_channels {settings.min_channels} and round_to "
            f"{settings.round_to} keep every channel; raise ratio or lower the others"
        )
    return Selection(tuple(_planned(group, graph, keep) for group in graph.groups), keep)


def _free_groups(graph: ChannelGraph) -> list[Group]:
    free = [group for group in graph.groups if not group.kept_for]
    if not free:
        kept = "; ".join(f"{', '.join(group.layers)} kept for {group.kept_for}" for group in graph.groups)
        raise CompressionError(
            f"prune_channels needs at least one layer that may lose channels, got none ({kept or 'no kernels'}); "
            "shorten `skip` or leave this step out"
        )
    return free


def _wanted(
    free: Sequence[Group], own: dict[tuple[str, ...], float], scores: np.ndarray, settings: PruneChannelsSettings
) -> list[int]:
    """How many units of each group the ratios ask for."""
    counts = [round(len(group.slots) * own.get(group.layers, settings.ratio)) for group in free]
    shared = [index for index, group in enumerate(free) if group.layers not in own]
    if settings.scope == "uniform" or not shared:
        return counts
    owner = np.concatenate([np.full(len(free[index].slots), index) for index in shared])
    order = np.argsort(np.concatenate([scores[free[index].slots] for index in shared]), kind="stable")
    lowest = owner[order[: round(len(order) * settings.ratio)]]
    return [int(np.sum(lowest == index)) if index in shared else count for index, count in enumerate(counts)]


def _rounded(count: int, leaving: int, settings: PruneChannelsSettings) -> int:
    """How many of `count` stay."""
    least = max(count - leaving, settings.min_channels)
    return min(count, -(-least // settings.round_to) * settings.round_to)


def _planned(group: Group, graph: ChannelGraph, keep: np.ndarray) -> ChannelGroup:
    slots = group.slots
    return ChannelGroup(group.layers, len(slots), int(keep[slots].sum()), int(graph.dead[slots].sum()), group.kept_for)


def _own_ratios(groups: Sequence[Group], settings: PruneChannelsSettings) -> dict[tuple[str, ...], float]:
    """Group (by its layers) -> the ratio that `layers` gives it."""
    names = list(dict.fromkeys(name for group in groups for name in group.layers))
    given = first_match(settings.layers, names, key="layers")
    free = {name for group in groups if not group.kept_for for name in group.layers}
    in_vain = [f"{name} ({_reason(name, groups)})" for name, ratio in given.items() if ratio > 0 and name not in free]
    if in_vain:
        raise CompressionError(
            f"every layer with a ratio above 0 in `layers` must be one that may lose channels, got "
            f"{', '.join(in_vain)}; leave it out, or give it 0"
        )
    own: dict[tuple[str, ...], float] = {}
    for group in groups:
        ratios = {name: given[name] for name in group.layers if name in given}
        if len(set(ratios.values())) > 1:
            raise CompressionError(
                f"layers that share channels must have one ratio, but {', '.join(group.layers)} share some and get "
                f"{', '.join(f'{ratio:g} ({name})' for name, ratio in ratios.items())}; make them equal"
            )
        if ratios:
            own[group.layers] = next(iter(ratios.values()))
    return own


def _reason(name: str, groups: Sequence[Group]) -> str:
    return next(f"kept for {group.kept_for}" for group in groups if name in group.layers)

"""A model's channels: which are tied to which, which must stay, and which are dead already."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import tensorflow as tf
import tf_keras as keras

from compression import keras_models
from compression.channels.kernel_rules import KernelRule, Mixing, absorbable
from compression.channels.labels import Channels, Labels
from compression.channels.layer_rules import RULES
from compression.channels.rule import Call, Rule
from compression.errors import CompressionError
from compression.layer_names import match_layers


@dataclass(frozen=True)
class TracedLayer:
    """A layer whose channels are known."""

    call: Call
    rule: Rule
    output: Channels

    @property
    def layer(self) -> keras.layers.Layer:
        """The layer itself."""
        return self.call.layer


@dataclass(frozen=True)
class Group:
    """Slots that the same layers share.

    Attributes:
        layers: Names of the layers with kernels whose output channels are tied, in the model's order.
        slots: int `[slots]`.
        kept_for: Why all of them must stay; empty when they need not.
    """

    layers: tuple[str, ...]
    slots: np.ndarray
    kept_for: str


@dataclass(frozen=True)
class ChannelGraph:
    """All channels of a model, sorted into slots: a slot is a set of channels that live and die together.

    Attributes:
        layers: The layers that can be made smaller, in the order in which they compute.
        slots: int `[labels]`; the slot of every label.
        groups: All slots that a kernel makes, group by group.
        dead: bool `[slots]`; slots whose removal changes no output, because whatever mixes channels either gets zeros
            from them, or a constant that its bias can stand for.
    """

    layers: tuple[TracedLayer, ...]
    slots: np.ndarray
    groups: tuple[Group, ...]
    dead: np.ndarray

    def slots_of(self, layer: str) -> np.ndarray:
        """The slot of every output channel of a layer: int `[channels]`."""
        return np.asarray(self.slots[next(row.output.labels for row in self.layers if row.layer.name == layer)])


def trace(
    model: keras.Model, *, skip: tuple[str, ...] = (), unsupported: Literal["refuse", "keep"] = "refuse"
) -> ChannelGraph:
    """Follows every channel through the model.

    Args:
        model: A Functional or Sequential model.
        skip: Names or patterns of layers all of whose output channels must stay.
        unsupported: Whether to `refuse` a model with layers that no rule covers, or to `keep` whatever they read.

    Raises:
        CompressionError: A nested model, a layer called several times, a pattern that matches nothing, or layers
            that no rule covers.
    """
    keras_models.refuse_nested(model, "prune_channels")
    tied = keras_models.shared_layers(model)
    if tied:
        raise CompressionError(
            f"prune_channels needs layers that are called once, got {', '.join(tied)} called several times: a channel "
            "would have to be useless in all calls; use one layer per call, or leave this step out"
        )
    labels = Labels()
    rows, obstacles = _walk(model, labels)
    if obstacles and unsupported == "refuse":
        raise CompressionError(
            f"prune_channels must be able to follow channels through every layer, but cannot take "
            f"{'; '.join(obstacles)}; set `unsupported_layers: keep` to keep all channels that these layers read, or "
            "replace them"
        )
    skipped = match_layers(skip, [layer.name for layer in model.layers])
    for row in rows:
        if row.layer.name in skipped:
            labels.keep(row.output.labels, "skip")
    return _sorted_into_slots(rows, labels)


def _walk(model: keras.Model, labels: Labels) -> tuple[list[TracedLayer], list[str]]:
    """Traced layers in the order in which they compute, and a description of each that cannot be traced."""
    known: dict[int, Channels] = {}
    rows: list[TracedLayer] = []
    obstacles: list[str] = []
    for node in _nodes(model):
        inputs = tuple(known[id(tensor)] for tensor in ([] if node.is_input else node.keras_inputs))
        outputs = tf.nest.flatten(node.outputs)
        call = Call(node.layer, inputs, tuple(outputs[0].shape))
        obstacle = "the model's input" if node.is_input else _obstacle(call)
        if not obstacle:
            rule = RULES[type(node.layer)]
            known[id(outputs[0])] = rule.trace(call, labels)
            rows.append(TracedLayer(call, rule, known[id(outputs[0])]))
            continue
        if not node.is_input:
            obstacles.append(obstacle)
        known |= {id(tensor): _varying(tensor, labels) for tensor in outputs}
        for channels in (*inputs, *(known[id(tensor)] for tensor in outputs)):
            labels.keep(channels.labels, obstacle)
    for output in model.outputs:
        labels.keep(known[id(output)].labels, "the model's output")
    return rows, obstacles


def _obstacle(call: Call) -> str:
    """Name, class and reason of a layer through which channels cannot be followed; empty when they can."""
    layer = call.layer
    rule = RULES.get(type(layer))
    if rule is None:
        reason = "not supported"
    elif getattr(layer, "data_format", "channels_last") == "channels_first":
        reason = "channels first"
    else:
        reason = rule.obstacle(call)
    return f"{layer.name} ({type(layer).__name__}: {reason})" if reason else ""


def _nodes(model: keras.Model) -> Iterator["keras.engine.node.Node"]:
    for depth in sorted(model._nodes_by_depth, reverse=True):
        yield from model._nodes_by_depth[depth]


def _varying(tensor: tf.Tensor, labels: Labels) -> Channels:
    count = tensor.shape[-1] or 0  # an input of one number per example has no axis of channels
    return Channels(labels.fresh(count), np.full(count, np.nan))


def _sorted_into_slots(rows: list[TracedLayer], labels: Labels) -> ChannelGraph:
    slots = labels.slots()
    count = int(slots.max(initial=-1)) + 1
    kept = labels.kept_slots()
    dead = np.ones(count, bool)
    dead[list(kept)] = False
    makers: list[list[str]] = [[] for _ in range(count)]
    for row in rows:
        if isinstance(row.rule, Mixing):
            (source,) = row.call.inputs
            dead[slots[source.labels[~absorbable(row.layer, source.constants)]]] = False
        if isinstance(row.rule, KernelRule):
            for slot in np.unique(slots[row.output.labels]).tolist():
                makers[slot].append(row.layer.name)
    members: dict[tuple[tuple[str, ...], str], list[int]] = {}
    for slot, names in enumerate(makers):
        if names:
            members.setdefault((tuple(names), kept.get(slot, "")), []).append(slot)
    groups = tuple(Group(names, np.array(found), reason) for (names, reason), found in members.items())
    return ChannelGraph(tuple(rows), slots, groups, dead)

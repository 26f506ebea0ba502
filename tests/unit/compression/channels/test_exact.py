"""Removing channels is the same as silencing them, and dead ones leave without a trace."""

import numpy as np
import pytest

from compression.channels.graph import trace
from compression.channels.prune_channels import plan_channels, prune_channels
from compression.channels.rebuild import rebuild
from compression.settings import PruneChannelsSettings

DEAD_ONLY = PruneChannelsSettings(ratio=0.0, epochs=0)
# A few hundred float32 summands in another order.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def _some(random, count):
    """At least one unit, never all."""
    return sorted(random.choice(count, size=random.integers(1, count), replace=False).tolist())


@pytest.mark.parametrize("seed", range(3))
def test_removing_units_is_silencing_them(network, seed, random_model, answers, silence):
    model = random_model(network, seed)
    before = answers(model)
    graph = trace(model)
    keep = np.ones(len(graph.dead), bool)
    random = np.random.default_rng(seed)
    chosen = [_some(random, group.count) for group in network.groups]
    for group, units in zip(network.groups, chosen, strict=True):
        first, channels_of = next(iter(group.channels.items()))
        keep[graph.slots_of(first)[[channels_of(unit)[0] for unit in units]]] = False
    smaller = rebuild(model, graph, keep)
    np.testing.assert_array_equal(answers(model), before)
    for group, units in zip(network.groups, chosen, strict=True):
        silence(model, group, units)
    assert not np.allclose(answers(model), before, **CLOSE)
    np.testing.assert_allclose(answers(smaller), answers(model), **CLOSE)
    assert smaller.count_params() < model.count_params()
    assert [layer.name for layer in smaller.layers] == [layer.name for layer in model.layers]


@pytest.mark.parametrize("seed", range(3))
def test_silent_units_are_dead_and_leave_exactly(network, seed, data, random_model, answers, silence):
    model = random_model(network, seed)
    random = np.random.default_rng(seed)
    chosen = [_some(random, group.count) for group in network.groups]
    for group, units in zip(network.groups, chosen, strict=True):
        silence(model, group, units)
    plan = [group for group in plan_channels(model, DEAD_ONLY) if not group.kept_for]
    assert {(group.before, group.dead, group.after) for group in plan} == {
        (group.count, len(units), group.count - len(units)) for group, units in zip(network.groups, chosen, strict=True)
    }
    assert len(plan) == len(network.groups)
    smaller = prune_channels(model, data, DEAD_ONLY)
    np.testing.assert_allclose(answers(smaller), answers(model), **CLOSE)

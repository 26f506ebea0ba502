"""Removing channels is the same as silencing them, and silent ones leave without a trace."""

import numpy as np
import pytest
import tf_keras as keras

from compression.channels.graph import trace
from compression.channels.prune_channels import plan_channels, remove_channels
from compression.channels.rebuild import rebuild
from compression.settings import PruneChannelsSettings

DEAD_ONLY = PruneChannelsSettings(ratio=0.0)
# A few hundred float32 summands in another order.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.mark.parametrize("seed", range(2))
def test_removing_units_is_silencing_them(network, seed, random_model, answers, silence):
    model = random_model(network, seed)
    before = answers(model)
    graph = trace(model)
    keep = np.ones(len(graph.dead), bool)
    random = np.random.default_rng(seed)
    gone = [random.choice(group.count, random.integers(1, group.count), replace=False) for group in network.groups]
    for group, units in zip(network.groups, gone, strict=True):
        first, channels_of = next(iter(group.channels.items()))
        keep[graph.slots_of(first)[[channels_of(unit)[0] for unit in units]]] = False
    removed = rebuild(model, graph, keep)
    np.testing.assert_array_equal(answers(model), before)

    for group, units in zip(network.groups, gone, strict=True):
        silence(model, group, units.tolist())
    silent = answers(model)
    assert not np.allclose(silent, before, **CLOSE)
    np.testing.assert_allclose(answers(removed), silent, **CLOSE)

    # The silent ones are exactly those that are found dead, so that removing nothing else gives the same model.
    assert {(group.before, group.dead, group.after) for group in plan_channels(model, DEAD_ONLY)} >= {
        (group.count, len(units), group.count - len(units)) for group, units in zip(network.groups, gone, strict=True)
    }
    found = remove_channels(model, DEAD_ONLY)
    np.testing.assert_allclose(answers(found), silent, **CLOSE)
    assert [weight.shape for weight in found.weights] == [weight.shape for weight in removed.weights]
    assert [layer.name for layer in found.layers] == [layer.name for layer in model.layers]


def test_the_groups_are_those_that_a_person_would_name(network, random_model):
    model = random_model(network, 0)
    plan = plan_channels(model, PruneChannelsSettings(ratio=0.5))
    norms = {layer.name for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)}
    named = {frozenset(group.channels) - norms: group.count for group in network.groups}
    assert {frozenset(group.layers): group.before for group in plan if not group.kept_for} == named
    assert all(group.after == group.before - round(group.before / 2) for group in plan if not group.kept_for)
    assert [group.kept_for for group in plan if "out" in group.layers] == ["the model's output"]
    assert all(group.after == group.before for group in plan if group.kept_for)

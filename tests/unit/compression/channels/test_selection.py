"""How many channels leave and which, worked by hand."""

import numpy as np
import pytest
import tf_keras as keras

from compression.channels.prune_channels import ChannelGroup, plan_channels, remove_channels
from compression.errors import CompressionError
from compression.settings import PruneChannelsSettings

layers = keras.layers


def _dense(*widths: int, norm: bool = False) -> keras.Model:
    """`unit_1`, `unit_2`, ... and a head; unit i of a layer has weights of size i + 1."""
    x = inputs = keras.Input((2,), name="x")
    for number, width in enumerate(widths, start=1):
        x = layers.Dense(width, name=f"unit_{number}")(x)
        x = layers.BatchNormalization(name=f"norm_{number}")(x) if norm else x
    model = keras.Model(inputs, layers.Dense(1, name="out")(x))
    for number, width in enumerate(widths, start=1):
        kernel, bias = model.get_layer(f"unit_{number}").get_weights()
        model.get_layer(f"unit_{number}").set_weights([np.ones_like(kernel) * np.arange(1, width + 1), bias])
    return model


def _after(model: keras.Model, **settings) -> list[int]:
    return [group.after for group in plan_channels(model, PruneChannelsSettings(**settings)) if not group.kept_for]


@pytest.mark.parametrize(
    ("settings", "after"),
    [
        ({"ratio": 0.0}, 20),
        ({"ratio": 0.29}, 14),  # 5.8 leave, rounded
        ({"ratio": 0.99}, 1),  # 19.8 would leave, but one always stays
        ({"ratio": 0.5, "min_channels": 12}, 12),
        ({"ratio": 0.5, "min_channels": 50}, 20),
        ({"ratio": 0.5, "round_to": 8}, 16),  # 10, rounded up
        ({"ratio": 0.1, "round_to": 8}, 20),  # 18 would be 24
        ({"ratio": 0.9, "round_to": 4, "min_channels": 5}, 8),
    ],
)
def test_the_number_that_stays(settings, after):
    if after == 20 and settings["ratio"] > 0:
        with pytest.raises(CompressionError, match=r"must remove something.*at most 20 channels.*keep every channel"):
            _after(_dense(20), **settings)
    else:
        assert _after(_dense(20), **settings) == [after]


def test_the_smallest_filters_leave():
    model = _dense(5)
    kernel = np.array([[3.0, 0.1, 5, 2, 1], [0.0, 3, 0, 2, 1]])  # l1: 3, 3.1, 5, 4, 2; l2: 3, 3.002, 5, 2.83, 1.41
    model.get_layer("unit_1").set_weights([kernel, np.zeros(5)])
    for importance, kept in (("l1", [1, 2, 3]), ("l2", [0, 1, 2])):
        smaller = remove_channels(model, PruneChannelsSettings(ratio=0.4, importance=importance))
        np.testing.assert_array_equal(smaller.get_layer("unit_1").get_weights()[0], kernel[:, kept].astype(np.float32))
        head = model.get_layer("out").get_weights()[0]
        np.testing.assert_array_equal(smaller.get_layer("out").get_weights()[0], head[kept])


def test_the_smallest_scales_leave():
    model = _dense(4, norm=True)
    norm = model.get_layer("norm_1")
    norm.set_weights([np.array([-2.0, 0.5, 1.0, 0.7]), *norm.get_weights()[1:]])
    smaller = remove_channels(model, PruneChannelsSettings(ratio=0.5, importance="batch_norm"))
    assert smaller.get_layer("norm_1").get_weights()[0].tolist() == [-2.0, 1.0]


def test_the_dead_leave_first_however_large_their_filters():
    model = _dense(4, norm=True)
    norm = model.get_layer("norm_1")
    norm.set_weights([np.array([1.0, 1.0, 1.0, 0.0]), *norm.get_weights()[1:]])
    smaller = remove_channels(model, PruneChannelsSettings(ratio=0.25))
    assert smaller.get_layer("unit_1").get_weights()[0][0].tolist() == [1.0, 2.0, 3.0]


def test_tied_channels_are_judged_by_all_their_filters():
    x = keras.Input((1,), name="x")
    tied = layers.Add(name="add")([layers.Dense(3, name="one")(x), layers.Dense(3, name="two")(x)])
    model = keras.Model(x, layers.Dense(1, name="out")(tied))
    # Against the layers' means, 2 and 200: 0.5 + 1, 1.5 + 0.75, 1 + 1.25. As they are, `two` alone would decide.
    model.get_layer("one").set_weights([np.array([[1.0, 3, 2]]), np.zeros(3)])
    model.get_layer("two").set_weights([np.array([[200.0, 150, 250]]), np.zeros(3)])
    smaller = remove_channels(model, PruneChannelsSettings(ratio=0.3))
    assert smaller.get_layer("one").get_weights()[0].tolist() == [[3.0, 2.0]]
    assert smaller.get_layer("two").get_weights()[0].tolist() == [[150.0, 250.0]]


def test_one_threshold_for_all_groups():
    # Against the means 2.5 and 4.5, in quarters: 0.4, 0.8, 1.2, 1.6 and 0.22, 0.44, ..., 1.78.
    assert _after(_dense(4, 8), ratio=0.5, scope="global") == [2, 4]
    model = _dense(4, 8)
    kernel, bias = model.get_layer("unit_1").get_weights()
    model.get_layer("unit_1").set_weights([np.ones_like(kernel), bias])
    # Now all four are at their mean, above 0.22 to 0.89: these four leave, and then one by one in order.
    assert _after(model, ratio=0.34, scope="global") == [4, 4]
    assert _after(model, ratio=0.75, scope="global") == [1, 3]


def test_layers_get_ratios_of_their_own():
    model = _dense(10, 10, 10)
    assert _after(model, ratio=0.5, layers={"unit_2": 0.2}) == [5, 8, 5]
    assert _after(model, ratio=0.5, layers={"unit_2": 0.2, "unit_*": 0.9}) == [1, 8, 1]
    assert _after(model, ratio=0.5, layers={"unit_2": 0.0}, scope="global")[1] == 10
    assert _after(model, ratio=0.5, skip=("unit_3",)) == [5, 5]


def test_the_plan_says_what_is_kept_and_for_what():
    plan = plan_channels(_dense(4, 8), PruneChannelsSettings(ratio=0.5, skip=("unit_2",)))
    assert plan == (
        ChannelGroup(("unit_1",), before=4, after=2, dead=0, kept_for=""),
        ChannelGroup(("unit_2",), before=8, after=8, dead=0, kept_for="skip"),
        ChannelGroup(("out",), before=1, after=1, dead=0, kept_for="the model's output"),
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"skip": ("unit",)}, "every entry of `skip` must match a layer, but 'unit' matches none"),
        ({"layers": {"unit": 0.5}}, "every entry of `layers` must match a layer, but 'unit' matches none"),
        ({"layers": {"out": 0.5}}, r"that may lose channels, got out \(kept for the model's output\); leave it out"),
        ({"skip": ("unit_*",)}, r"got none \(unit_1 kept for skip; .*; out kept for the model's output\); shorten"),
        ({"importance": "batch_norm"}, r"at least one BatchNormalization with scale=True .* choose l1 or l2"),
    ],
)
def test_settings_that_do_not_fit_the_model(settings, message):
    with pytest.raises(CompressionError, match=message):
        _after(_dense(4, 8), ratio=0.5, **settings)


def test_tied_layers_must_agree(network_named):
    with pytest.raises(CompressionError, match=r"must have one ratio, but left, merge share some and get 0.5 \(left\)"):
        _after(network_named("concatenate").build(), ratio=0.1, layers={"left": 0.5, "merge": 0.2})
    assert _after(network_named("concatenate").build(), ratio=0.0, layers={"merge": 0.5}) == [2, 3]

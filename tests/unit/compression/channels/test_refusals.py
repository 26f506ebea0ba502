"""Layers through which channels cannot be followed are named, or keep all that they read."""

import pytest
import tf_keras as keras

from compression.channels.prune_channels import plan_channels, remove_channels
from compression.errors import CompressionError
from compression.settings import PruneChannelsSettings

layers = keras.layers
HALF = PruneChannelsSettings(ratio=0.5)
KEEP = PruneChannelsSettings(ratio=0.5, unsupported_layers="keep")


def _images(*stack) -> keras.Model:
    """`first`, the stack, `last`, and a head."""
    image = keras.Input((6, 6, 2), name="image")
    x = layers.Conv2D(4, 3, name="first")(image)
    for layer in stack:
        x = layer(x)
    x = layers.GlobalAveragePooling2D(name="pool")(layers.Conv2D(4, 1, name="last")(x))
    return keras.Model(image, layers.Dense(2, name="out")(x))


def _attention(x):
    return layers.Multiply(name="attend")([x, layers.Conv2D(1, 1, name="map")(x)])


UNSUPPORTED = [
    (layers.LayerNormalization(name="norm"), r"norm \(LayerNormalization: not supported\)"),
    (layers.Conv2DTranspose(4, 3, name="up"), r"up \(Conv2DTranspose: not supported\)"),
    (layers.PReLU(name="bend"), r"bend \(PReLU: not supported\)"),
    (layers.Permute((2, 1, 3), name="turn"), r"turn \(Permute: not supported\)"),
    (layers.Conv2D(4, 3, groups=2, name="grouped"), r"grouped \(Conv2D: groups > 1\)"),
    (layers.BatchNormalization(axis=1, name="norm"), r"norm \(BatchNormalization: another axis than the last\)"),
    (layers.Reshape((4, 2, 8), name="shape"), r"shape \(Reshape: another last axis than its input\)"),
    (layers.MaxPooling2D(data_format="channels_first", name="max"), r"max \(MaxPooling2D: channels first\)"),
    (
        layers.Dropout(0.5, noise_shape=(None, 1, 1, 4), name="drop"),
        r"drop \(Dropout: a noise_shape that counts channels\)",
    ),
    (_attention, r"attend \(Multiply: inputs of 4 and 1 channels\)"),
    (lambda x: layers.Concatenate(axis=1, name="join")([x, x]), r"join \(Concatenate: another axis than the last\)"),
    (lambda x: x + 1.0, r"tf.__operators__.add\w* \(TFOpLambda: not supported\)"),
]


@pytest.mark.parametrize(("layer", "message"), UNSUPPORTED, ids=[message.split(" ")[0] for _, message in UNSUPPORTED])
def test_they_are_named_with_class_and_reason_or_keep_what_they_read(layer, message, answers):
    model = _images(layer)
    with pytest.raises(CompressionError, match=rf"cannot take {message}; set `unsupported_layers: keep`"):
        plan_channels(model, HALF)
    plan = {group.layers: group.after for group in plan_channels(model, KEEP)}
    assert (plan[("first",)], plan[("last",)]) == (4, 2)
    assert answers(remove_channels(model, KEEP)).shape == (16, 2)


def test_all_are_named_at_once():
    model = _images(layers.PReLU(name="bend"), layers.LayerNormalization(name="norm"))
    with pytest.raises(CompressionError, match=r"bend \(PReLU: not supported\); norm \(LayerNormalization: "):
        plan_channels(model, HALF)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (layers.Softmax(name="soft"), "softmax in soft"),
        (layers.Activation("softmax", name="soft"), "softmax in soft"),
        (layers.Conv2D(4, 1, activation="softmax", name="soft"), "softmax in soft"),
        # A function of the user's may do anything.
        (layers.DepthwiseConv2D(3, activation=lambda x: x, name="own"), "<lambda> in own"),
    ],
)
def test_what_an_activation_mixes_stays(layer, reason):
    kept = {group.kept_for for group in plan_channels(_images(layer), HALF)}
    assert kept == {"", reason, "the model's output"}


def test_channels_of_the_input_stay():
    image = keras.Input((6, 6, 2), name="image")
    x = layers.Add(name="add")([layers.Conv2D(2, 1, name="tied")(image), image])
    x = layers.Conv2D(4, 1, name="free")(layers.DepthwiseConv2D(3, name="depth")(x))
    model = keras.Model(image, layers.Dense(2, name="out")(layers.Flatten(name="flat")(x)))
    assert {group.layers: group.kept_for for group in plan_channels(model, HALF)} == {
        ("tied", "depth"): "the model's input",
        ("free",): "",
        ("out",): "the model's output",
    }


def test_recurrent_layers_keep_what_they_read():
    signal = keras.Input((8, 2), name="signal")
    x = layers.GRU(4, name="gru")(layers.Conv1D(4, 3, name="conv")(signal))
    model = keras.Model(signal, layers.Dense(2, name="out")(layers.Dense(6, name="hidden")(x)))
    assert [group.after for group in plan_channels(model, KEEP)] == [4, 3, 2]
    assert remove_channels(model, KEEP).get_layer("hidden").units == 3


def test_nested_models_and_shared_layers_are_refused_by_name(build):
    with pytest.raises(CompressionError, match="called once, got tied called several times"):
        plan_channels(build("shared"), KEEP)
    inner = keras.Sequential([layers.Dense(4, input_shape=(3,))], name="inner")
    x = keras.Input((3,), name="x")
    with pytest.raises(CompressionError, match="without models inside, got inner"):
        plan_channels(keras.Model(x, layers.Dense(1, name="out")(inner(x))), KEEP)

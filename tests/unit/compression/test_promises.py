"""Promises against real files: what is kept passes, what the converter undid is told with the layer's name."""

import json

import numpy as np
import pytest
import tf_keras as keras

from compression.audit import audit
from compression.data import Split
from compression.errors import CompressionError
from compression.kernels import Kernel, kernels
from compression.promises import (
    InputsOutputs,
    IntegersOnly,
    Pattern,
    Sharing,
    Sparsity,
    Stored,
    check,
    from_plain,
    to_plain,
)
from compression.quantize import convert
from compression.settings import QuantizeSettings
from compression.step_promises import promise_mode, promise_pattern, promise_sharing, promise_sparsity

layers = keras.layers
WEIGHTS = {"kernel", "pointwise_kernel"}


def _split(shape: tuple[int, ...]) -> Split:
    values = np.random.default_rng(0).uniform(-1, 1, (32, *shape)).astype(np.float32)
    return Split.from_arrays({"x": values}, np.zeros(32))


def _audit(model: keras.Model, mode: str, shape: tuple[int, ...]):
    return audit(convert(model, QuantizeSettings(mode=mode), _split(shape)), kernels(model))


@pytest.fixture(scope="module")
def dense() -> keras.Model:
    """Two dense layers around an operator without integer kernel: 4 shared values, and 30 zeros of 40 weights."""
    x = keras.Input((32,), name="x")
    hidden = layers.Dense(8, use_bias=False, name="shared")(x)
    hidden = layers.Lambda(keras.backend.round, name="round")(hidden)
    model = keras.Model(x, layers.Dense(5, use_bias=False, name="sparse")(hidden), name="net")
    generator = np.random.default_rng(1)
    shared = generator.choice([-0.5, 0.1, 0.2, 1.0], (32, 8))
    # Without the value 1.0 a channel has a scale of its own, on which 0.1 and 0.2 fall elsewhere.
    shared[:, ::2] = np.minimum(shared[:, ::2], 0.2)
    sparse = generator.uniform(0.5, 1, (8, 5))
    sparse[:6] = 0.0
    model.set_weights([shared, sparse])
    return model


@pytest.fixture(scope="module")
def dense_int8(dense):
    return _audit(dense, "int8", (32,))


def test_shared_weights_of_a_dense_layer_are_lost_in_quantization_per_channel(dense, dense_int8):
    row = next(row for row in dense_int8.weights if row.kernels == (("shared", "kernel"),))
    promise = promise_sharing(kernels(dense), {"shared": 4}, WEIGHTS, "tensor")
    assert promise == [Sharing("shared", "kernel", 4, "tensor")]
    assert check(promise, dense_int8) == [
        f"layer shared: promised at most 4 distinct weights per tensor, the file holds {row.distinct}"
    ]
    assert row.distinct > 4
    assert (row.quantization.per, row.quantization.scales) == ("channel", 8)
    assert check(promise_sharing(kernels(dense), {"shared": 4}, WEIGHTS, "channel"), dense_int8) == []


@pytest.mark.parametrize(
    ("share", "told"),
    [(0.5, []), (0.75, []), (0.8, ["layer sparse: promised 80.00% zeros, the file holds 75.00%"])],
)
def test_zeros_are_counted_per_layer(dense, dense_int8, share, told):
    assert check(promise_sparsity(kernels(dense), {"sparse": share}, WEIGHTS), dense_int8) == told


def test_integers_alone(dense_int8):
    assert check([IntegersOnly(), InputsOutputs("int8")], dense_int8) == [
        "net/round/Round: promised integers alone, the file computes ROUND in float",
        "promised int8 inputs, the file has float32",
        "promised int8 outputs, the file has float32",
    ]
    assert check([IntegersOnly(but=("round",)), InputsOutputs("float32")], dense_int8) == []


def test_a_layer_that_is_gone_is_a_broken_promise(dense_int8):
    assert check([Sparsity("gone", "pointwise_kernel", 3, 4)], dense_int8) == [
        "layer gone (pointwise_kernel): promised 75.00% zeros, the file holds no tensor of its pointwise_kernel: "
        "the converter removed or merged it"
    ]


def test_folding_forward_breaks_up_shared_weights_and_keeps_patterns():
    x = keras.Input((16,), name="x")
    hidden = layers.BatchNormalization(name="norm")(layers.Dense(7, name="first")(x))
    model = keras.Model(x, layers.Concatenate()([layers.Dense(2, name=name)(hidden) for name in ("kept", "lost")]))
    model.get_layer("norm").set_weights([np.linspace(0.5, 2, 7), np.zeros(7), np.zeros(7), np.ones(7)])
    kernel = np.tile([[1.0, -1.0]], (7, 1))
    kernel[[0, 3, 5]] = 0.0  # blocks of inputs 0..3 and 4..6; the second counts as filled up
    model.get_layer("kept").set_weights([kernel, np.zeros(2)])
    kernel[3, 1] = 1.0
    model.get_layer("lost").set_weights([kernel, np.zeros(2)])
    found = _audit(model, "float32", (16,))
    promises = promise_pattern(kernels(model), {"kept", "lost"}, WEIGHTS, zeros=2, of=4)
    assert check(promises, found) == [
        "layer lost: promised 2 zeros in every 4 weights along the inputs, the file holds a block with 1"
    ]
    # The normalization's scales went into the next kernels, one for each of their inputs.
    assert check(promise_sharing(kernels(model), {"first": 112, "kept": 2}, WEIGHTS, "channel"), found) == [
        "layer kept: promised at most 2 distinct weights per channel, the file holds 5"
    ]


def test_a_layer_without_integer_kernel_breaks_int8():
    x = keras.Input((4, 4, 4, 1), name="x")
    hidden = layers.Conv3D(2, 2, name="volume")(x)
    model = keras.Model(x, layers.Dense(3, name="head")(layers.Flatten()(hidden)))
    found = _audit(model, "int8", (4, 4, 4, 1))
    assert check(promise_mode(kernels(model), "int8"), found) == [
        "layer volume: promised weights in int8, the file holds float32"
    ]
    assert check(promise_mode(kernels(model), "int8", left_float=["volume"]), found) == []


def test_dynamic_range_leaves_small_tensors_alone():
    x = keras.Input((64,), name="x")
    model = keras.Model(x, layers.Dense(10, name="small")(layers.Dense(64, name="large")(x)))
    found = _audit(model, "dynamic", (64,))
    assert {row.dtype for row in found.weights} == {"int8", "float32"}
    assert check(promise_mode(kernels(model), "dynamic"), found) == []
    assert check(promise_mode(kernels(model), "int8"), found) == [
        "layer small: promised weights in int8, the file holds float32"
    ]


def test_promised_zeros_are_those_of_rounding():
    weights = np.zeros((5, 4, 2))
    kernel = Kernel("conv", "kernel", weights, "conv")
    depthwise = Kernel("conv", "depthwise_kernel", weights, "conv")
    # 40 weights: 4 are left of 40 * 0.1. 5 x 4 blocks of 4 x 2 in (5, 8): two rows of four blocks, two are left.
    (plain,) = promise_sparsity([kernel, depthwise], {"conv": 0.9}, WEIGHTS)
    assert plain == Sparsity("conv", "kernel", 36, 40)
    (blocks,) = promise_sparsity([Kernel("head", "kernel", np.zeros((5, 8)), "head")], {"head": 0.75}, WEIGHTS, (4, 2))
    assert blocks == Sparsity("head", "kernel", 40 - 2 * 8, 40)


def test_layers_may_differ_from_the_mode_on_purpose():
    first, second = (Kernel(name, "kernel", np.eye(3), name) for name in ("first", "second"))
    assert promise_mode([first, second], "int8_io", precisions={"second": "float32"}) == [
        Stored("first", "kernel", ("int8",)),
        Stored("second", "kernel", ("float32",)),
        IntegersOnly(("second",)),
        InputsOutputs("int8"),
    ]
    assert promise_mode([first], "int4") == [Stored("first", "kernel", ("int4", "int8"))]
    assert promise_mode([first], "a mode of tomorrow") == []


def test_convolutions_share_per_channel():
    conv, dense = Kernel("conv", "kernel", np.zeros((3, 3, 1, 2)), "conv"), Kernel("fc", "kernel#2", np.eye(3), "fc")
    promises = promise_sharing([conv, dense], {"conv": 16, "fc": 4}, WEIGHTS, "tensor")
    assert promises == [Sharing("conv", "kernel", 16, "channel"), Sharing("fc", "kernel#2", 4, "tensor")]


EVERY_KIND = [
    Sparsity("a", "kernel", 3, 4),
    Pattern("a", "kernel", 2, 4),
    Sharing("a", "kernel", 16, "channel"),
    Stored("a", "kernel", ("int4", "int8"), 1024),
    IntegersOnly(("b", "c")),
    InputsOutputs("int8"),
]


def test_promises_travel_as_json():
    assert from_plain(json.loads(json.dumps(to_plain(EVERY_KIND)))) == EVERY_KIND
    with pytest.raises(CompressionError, match=r"a promise must be one of sparsity, .*, got 'forever'"):
        from_plain([{"promise": "forever"}])

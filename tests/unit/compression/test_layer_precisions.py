"""Precisions layer by layer: real files, read back, computed with, and compared with what they must compute."""

import itertools

import numpy as np
import pytest
import tf_keras as keras
from ai_edge_litert.interpreter import Interpreter

from compression.audit import audit
from compression.data import Split
from compression.errors import CompressionError
from compression.flatbuffer import read_graphs
from compression.predict import TFLitePredictor
from compression.quantization.converter import Int8Requantizer, convert_whole
from compression.quantization.edge_quantizer import EdgeRequantizer
from compression.quantization.effects import check_changed, check_layers
from compression.quantization.layer_operators import LayerOperator, layer_operators, layer_precisions
from compression.quantize import convert
from compression.settings import QuantizeSettings

layers = keras.layers
FLOAT32 = QuantizeSettings(mode="float32")


def _settings(mode: str, **entries: str) -> QuantizeSettings:
    return QuantizeSettings(mode=mode, layers=entries, calibration_examples=100)


def _names(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers]


@pytest.fixture(scope="module")
def depthwise(data) -> tuple[keras.Model, bytes, Split]:
    """An untrained network with every kind of kernel, its float file, and images."""
    keras.utils.set_random_seed(1)
    x = keras.Input((8, 8, 1), name="image")
    y = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")(x)
    y = layers.DepthwiseConv2D(3, padding="same", activation="relu", name="depth")(y)
    y = layers.Add(name="add")([y, layers.Conv2D(8, 1, name="point")(y)])
    model = keras.Model(x, layers.Dense(10, name="digit")(layers.Flatten(name="flat")(y)))
    return model, convert_whole(model, FLOAT32, data.train), data.train


def _precisions(content: bytes, model: keras.Model) -> dict[str, str]:
    """Layer -> what its operator with the kernel, or its only one, is computed in."""
    rows = layer_precisions(layer_operators(content, _names(model)))
    return {str(row["layer"]): str(row["precision"]) for row in reversed(rows)}


def test_operators_are_found_by_layer_with_what_is_fused_into_them(build, data):
    model = build("depthwise")
    found = layer_operators(convert_whole(model, FLOAT32, data.train), _names(model))
    assert [(operator.op, operator.layers) for operator in found] == [
        ("CONV_2D", ("conv",)),
        ("DEPTHWISE_CONV_2D", ("depth", "norm", "relu")),
        ("CONV_2D", ("point",)),
        ("RESHAPE", ("flat",)),
        ("FULLY_CONNECTED", ("digit",)),
        ("SOFTMAX", ("digit",)),  # named after nothing but the output
    ]


def _machine(depthwise, mode: str, **entries: str) -> tuple[EdgeRequantizer, dict[str, str]]:
    model, content, images = depthwise
    operators = layer_operators(content, _names(model))
    wanted = {one.output: entries[one.owner] for one in operators if one.owner in entries}
    return EdgeRequantizer(content, operators, _settings(mode), images, layers=wanted), wanted


CASES = [
    ("int8", {"conv": "float32", "point": "int16x8", "digit": "int4"}, {"depth": "int8", "add": "int8"}),
    ("int8", {"conv": "int4", "depth": "int16x8", "add": "float32"}, {"digit": "int8"}),
    ("int8_io", {"conv": "float32", "digit": "int16x8"}, {"depth": "int8", "point": "int8"}),
    ("int16x8", {"conv": "int8", "digit": "float32"}, {"depth": "int16x8", "add": "int16x8"}),
    ("int4", {"digit": "int8", "point": "float32"}, {"conv": "int4", "depth": "int8", "add": "float32"}),
    ("dynamic", {"conv": "int4", "digit": "float32"}, {"depth": "int8", "point": "int8"}),
]


@pytest.mark.parametrize(("mode", "asked", "others"), CASES)
def test_a_mixture_has_the_precisions_asked_for_and_computes_the_model(mode, asked, others, depthwise):
    model, _, images = depthwise
    machine, wanted = _machine(depthwise, mode, **asked)
    content = machine(wanted)
    assert _precisions(content, model).items() >= (asked | others).items()
    predictor = TFLitePredictor(content)
    io = "int8" if mode == "int8_io" else "float32"
    assert (predictor.inputs[0].dtype, predictor.outputs[0].dtype) == (io, io)
    assert predictor.inputs[0].shape == (-1, 8, 8, 1)
    features, _ = images.take_arrays(64)
    expected = model(features["image"]).numpy()
    error = np.sqrt(np.mean((predictor.predict(features) - expected) ** 2)) / expected.std()
    # A weight of 4 bits is off by up to 1/14 of the largest, which of so few adds up to about a tenth of the outputs.
    assert error < (0.15 if "int4" in {mode, *asked.values()} else 0.05)
    assert machine(wanted) == content


def _dequantized(content: bytes) -> dict[tuple[int, ...], np.ndarray]:
    """The 4- and 8-bit weights of a file as real numbers, by shape."""
    interpreter = Interpreter(model_content=content)
    scales = {one["name"]: one["quantization_parameters"]["scales"] for one in interpreter.get_tensor_details()}
    weights = {}
    for tensor in (tensor for graph in read_graphs(content) for tensor in graph.tensors):
        if tensor.values is not None and tensor.dtype in ("int4", "int8") and tensor.values.ndim > 1:
            shape = [1] * tensor.values.ndim
            shape[tensor.channel_axis] = -1
            weights[tensor.shape] = tensor.values.astype(np.float32) * scales[tensor.name].reshape(shape)
    return weights


def test_int4_files_compute_exactly_what_their_weights_stand_for(depthwise, copy_of):
    model, _, images = depthwise
    content = convert(model, QuantizeSettings(mode="int4"), images)
    stored = {row.op: row.dtype for row in audit(content).weights}
    assert stored == {"CONV_2D": "int4", "DEPTHWISE_CONV_2D": "int8", "FULLY_CONNECTED": "int4"}
    rounded, weights = copy_of(model), _dequantized(content)
    for name, shape in {"conv": (8, 3, 3, 1), "point": (8, 1, 1, 8), "depth": (1, 3, 3, 8), "digit": (10, 512)}.items():
        kernel, bias = rounded.get_layer(name).get_weights()
        axes = {"depth": (1, 2, 3, 0), "digit": (1, 0)}.get(name, (1, 2, 3, 0))
        rounded.get_layer(name).set_weights([np.transpose(weights[shape], axes).reshape(kernel.shape), bias])
    features, _ = images.take_arrays(64)
    expected = rounded(features["image"]).numpy()
    np.testing.assert_allclose(TFLitePredictor(content).predict(features), expected, atol=1e-5)
    assert np.abs(model(features["image"]).numpy() - expected).max() > 1e-2


def test_the_clipping_that_is_nearer_to_the_model_is_taken(depthwise, monkeypatch):
    machine, _ = _machine(depthwise, "int4")
    _, content, images = depthwise
    features, _ = images.take_arrays(128)
    expected = TFLitePredictor(content).predict(features)
    errors = {}
    for clipping in ("min_max", "octav"):
        monkeypatch.setattr(machine, "clipping", clipping)
        errors[clipping] = np.mean((TFLitePredictor(machine({})).predict(features) - expected) ** 2)
        monkeypatch.undo()
    assert machine.clipping == min(errors, key=errors.__getitem__)
    assert errors["min_max"] != errors["octav"]


def test_channels_without_a_weight_keep_their_bias(images):
    x = keras.Input((8, 8, 1), name="image")
    model = keras.Model(x, layers.Dense(6, name="digit")(layers.Flatten()(x)))
    kernel, bias = model.get_layer("digit").get_weights()
    kernel[:, 2], bias[2] = 0.0, 5.0
    model.get_layer("digit").set_weights([kernel, bias])
    split = Split.from_arrays({"image": images[0][:64]}, images[1][:64])
    content = convert_whole(model, FLOAT32, split)
    operators = layer_operators(content, _names(model))
    for mode, precision in itertools.product(("int8", "int16x8", "int4", "dynamic"), ("int4", "int8")):
        if (mode, precision) == ("int16x8", "int4"):
            continue
        made = EdgeRequantizer(content, operators, _settings(mode), split, layers={"digit": precision})
        answers = TFLitePredictor(made({operators[-1].output: precision})).predict(split.take_arrays(64)[0])
        # Within one step of the outputs, whose range is about 7.
        np.testing.assert_allclose(answers[:, 2], 5.0, atol=0.03)


def test_ranges_that_cannot_be_measured_are_refused(depthwise):
    loop = LayerOperator("WHILE", ("while",), ("memory",), None, "float32")
    with pytest.raises(CompressionError, match="without fused or looping recurrent layers, got memory; build them"):
        EdgeRequantizer(depthwise[1], [loop], _settings("int8"), depthwise[2])


def test_the_converter_leaves_layers_float_without_touching_the_others(depthwise):
    model, _, images = depthwise
    make = Int8Requantizer(model, _settings("int8"), images)
    operators = {one.owner: one.output for one in layer_operators(make.content, _names(model))}
    plain, mixed = make({}), make({operators["conv"]: "float32", operators["digit"]: "float32"})
    assert set(_precisions(plain, model).values()) == {"int8"}
    assert _precisions(mixed, model) == {**_precisions(plain, model), "conv": "float32", "digit": "float32"}
    assert make({}) == plain


@pytest.mark.parametrize(
    ("mode", "entries", "message"),
    [
        ("int8", {"depth": "int4"}, "depth: int4 gives DEPTHWISE_CONV_2D in int8; LiteRT takes 4 bits in convolutions"),
        ("int8", {"image": "float32"}, "image: float32 gives no operator of its own in the file; name other layers"),
        ("int4", {"conv": "int8", "con*": "float32"}, "con\\*: float32 gives CONV_2D in int8; name other layers"),
    ],
)
def test_an_entry_that_changes_nothing_is_named(mode, entries, message, depthwise):
    machine, wanted = _machine(depthwise, mode, **entries)
    with pytest.raises(CompressionError, match=f"every entry of `layers` must change what is computed, but {message}"):
        check_layers(layer_operators(machine(wanted), _names(depthwise[0])), _settings(mode, **entries))


@pytest.mark.parametrize(
    ("mode", "precision", "message"),
    [
        (
            "int8",
            "float32",
            "mode int8 must store weights in int8, but it changed nothing: the file holds float32 only",
        ),
        ("int4", "int8", "mode int4 must store weights in int4, but it changed nothing: the file holds int8 only"),
        ("dynamic", "float32", "must store weights in int8, but it changed nothing: .* tensors below 1,024 weights"),
    ],
)
def test_a_mode_that_changes_nothing_is_named(mode, precision, message, depthwise):
    machine, _ = _machine(depthwise, mode)
    content = machine({operator.output: precision for operator in machine._operators})
    with pytest.raises(CompressionError, match=message):
        check_changed(content, QuantizeSettings(mode=mode))


def test_a_conversion_is_held_to_it(images):
    x = keras.Input((8, 8, 1), name="image")
    model = keras.Model(x, layers.Dense(10, name="digit")(layers.Flatten()(x)))  # 640 weights
    split = Split.from_arrays({"image": images[0][:20]}, images[1][:20])
    with pytest.raises(CompressionError, match="mode dynamic must store weights in int8, but it changed nothing"):
        convert(model, QuantizeSettings(mode="dynamic"), split)
    with pytest.raises(CompressionError, match="entry of `layers` must match a layer, but 'digits' matches none"):
        convert(model, _settings("int8", digits="float32"), split)


def test_trained_ranges_leave_no_choice_of_layers(aware, data):
    with pytest.raises(CompressionError, match=r"after qat .* got layers; leave them out, or name layers"):
        convert(aware, _settings("int8", digit="float32"), data.train)
    budget = QuantizeSettings(mode="int8", max_validation_drop=0.1)
    with pytest.raises(CompressionError, match="got max_validation_drop"):
        convert(aware, budget, data.train)


def _shared(model: keras.Model, count: int) -> keras.Model:
    values = np.linspace(-1, 1, count, dtype=np.float32)
    random = np.random.default_rng(1)
    for layer in model.layers:
        if any("kernel:" in weight.name for weight in layer.weights):
            kernel, *rest = layer.get_weights()
            # Rarer towards the ends, as weights are: then channels differ in their largest weight.
            layer.set_weights([random.choice(values, kernel.shape, p=_bell(values)), *rest])
    return model


def _bell(values: np.ndarray) -> np.ndarray:
    heights = np.exp(-8 * values.astype(np.float64) ** 2)
    return heights / heights.sum()


def test_shared_weights_stay_shared_in_the_file(data):
    x = keras.Input((8, 8, 1), name="image")
    y = layers.Flatten()(layers.Conv2D(16, 3, activation="relu", name="conv")(x))
    model = _shared(keras.Model(x, layers.Dense(10, name="digit")(layers.Dense(32, name="hidden")(y))), 16)

    def distinct(content: bytes) -> list[int]:
        return [row.distinct for row in audit(content).weights]

    assert min(distinct(convert(model, _settings("int8"), data.train))) > 16
    for settings in (_settings("int8"), _settings("int8", conv="int16x8")):
        kept = distinct(convert(model, settings, data.train, keep_sharing=True))
        assert len(kept) == 3
        assert max(kept) <= 16


def test_a_normalization_that_was_folded_in_leaves_shared_weights_to_the_channels(data):
    x = keras.Input((8, 8, 1), name="image")
    y = layers.BatchNormalization(name="norm")(layers.Conv2D(16, 3, use_bias=False, name="conv")(x))
    model = _shared(keras.Model(x, layers.Dense(10, name="digit")(layers.Flatten()(y))), 4)
    norm = model.get_layer("norm")
    norm.set_weights([np.linspace(0.5, 2, 16), *norm.get_weights()[1:]])
    content = convert(model, QuantizeSettings(mode="int8"), data.train, keep_sharing=True)
    for graph in read_graphs(content):
        for tensor in graph.tensors:
            if tensor.values is not None and tensor.values.ndim == 4:
                assert max(np.unique(channel).size for channel in tensor.values) <= 4
            if tensor.values is not None and tensor.values.ndim == 2:
                assert np.unique(tensor.values).size <= 4


def test_precisions_survive_the_way_to_json():
    settings = _settings("int8", conv_1="int4", **{"conv_*": "float32"})
    again = QuantizeSettings.model_validate_json(settings.model_dump_json())
    assert list(again.layers.items()) == [("conv_1", "int4"), ("conv_*", "float32")]  # the order counts

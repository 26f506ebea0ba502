"""Two files become one that computes bit for bit the same; a file whose parts cannot be moved is refused."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from compression import audit
from compression.data import Split
from compression.errors import CompressionError
from compression.quantize import convert
from compression.raw_inputs import front as transform_file
from compression.raw_inputs.editing import pack, ports, unpack, used_tensors
from compression.raw_inputs.prepend import fit, operator_names, prepend
from compression.settings import QuantizeSettings

pytestmark = pytest.mark.methods

MODES = ("float32", "dynamic", "int8", "int8_io", "int16x8")
PIXELS = {"pixels": tf.TensorSpec([None, 64], tf.int64)}
IMAGE = {"image": tf.TensorSpec([None, 8, 8, 1], tf.float32)}


def run(tflite, features, kernels=OpResolverType.BUILTIN):
    interpreter = Interpreter(model_content=tflite, experimental_op_resolver_type=kernels)
    return interpreter.get_signature_runner("serving_default")(**features)


def lite(function, inputs):
    """A TFLite file of a function from a dict to a dict."""
    module = tf.Module()
    traced = tf.function(function, input_signature=[inputs], autograph=False).get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([traced], module).convert()


def spec(shape, dtype=tf.float32, **names):
    return {name: tf.TensorSpec([None, *shape], dtype, name=name) for name in names}


@pytest.fixture(scope="module")
def scaling() -> bytes:
    """64 integer pixels to the images that the models of this folder read."""

    def scale(raw):
        return {"image": tf.reshape(tf.cast(raw["pixels"], tf.float32) / 15.0, [-1, 8, 8, 1])}

    return transform_file.convert(scale, PIXELS, IMAGE)


@pytest.fixture(scope="module")
def pixels(images) -> np.ndarray:
    return np.rint(images[0][600:700] * 16).astype(np.int64).reshape(-1, 64)


@pytest.fixture(scope="module")
def files(trained, aware, data) -> dict[str, bytes]:
    settings = {mode: QuantizeSettings(mode=mode, calibration_examples=50) for mode in MODES}
    made = {mode: convert(trained, settings[mode], data.train) for mode in MODES}
    return made | {"qat": convert(aware, settings["int8_io"], data.train)}


@pytest.mark.parametrize("mode", [*MODES, "qat"])
def test_one_file_computes_what_two_compute(mode, files, scaling, pixels):
    model = files[mode]
    front = fit(scaling, model)
    merged = prepend(front, model)
    for kernels in (OpResolverType.BUILTIN, OpResolverType.BUILTIN_REF):
        for rows in (pixels, pixels[:1]):
            (expected,) = run(model, run(front, {"pixels": rows}, kernels), kernels).values()
            (got,) = run(merged, {"pixels": rows}, kernels).values()
            assert got.dtype == expected.dtype
            np.testing.assert_array_equal(got, expected)
    # Nothing was converted again: weights, and for int8_io the input's scale, are those of the finished file.
    assert audit.audit(merged).weights == audit.audit(model).weights
    assert ("QUANTIZE" in operator_names(front)) == (mode in ("int8_io", "qat"))


def test_same_files_same_bytes_and_nothing_is_left_over(files, scaling):
    front = fit(scaling, files["int8_io"])
    merged = prepend(front, files["int8_io"])
    assert merged == prepend(front, files["int8_io"])
    model = unpack(merged)
    (graph,) = model.subgraphs
    assert used_tensors(graph) == list(range(len(graph.tensors)))
    assert [graph.tensors[index].name for index in graph.inputs] == [b"serving_default_pixels:0"]
    assert list(ports(model.signatureDefs[0].inputs)) == ["pixels"]
    assert operator_names(merged)[:4] == ["CAST", "MUL", "RESHAPE", "QUANTIZE"]


def test_weights_lie_where_kernels_expect_them(files, scaling):
    merged = schema.Model.GetRootAs(prepend(scaling, files["int8"]), 0)
    buffers = [merged.Buffers(number) for number in range(merged.BuffersLength())]
    # Field 4 of the table is the vector of bytes.
    places = [buffer._tab.Vector(buffer._tab.Offset(4)) for buffer in buffers if buffer.DataLength()]
    assert places
    assert {place % 16 for place in places} == {0}


def test_the_newer_runtime_is_asked_for():
    """What the converter itself asks for when it sees both operators at once."""
    x = spec([3], x=0)
    old = lite(lambda given: {"x": tf.abs(given["x"])}, x)
    new = lite(lambda given: {"x": tf.where(given["x"] > 0, given["x"], 0.0)}, x)
    both = lite(lambda given: {"x": tf.where(given["x"] > 0, tf.abs(given["x"]), 0.0)}, x)
    assert version(old) != version(new) == version(both)
    assert version(prepend(old, new)) == version(prepend(new, old)) == version(both)


def version(tflite):
    parts = unpack(tflite)
    (entry,) = [entry for entry in parts.metadata if entry.name == b"min_runtime_version"]
    return bytes(parts.buffers[entry.buffer].data)


def test_several_inputs_are_sorted_by_name(data):
    first, second = keras.Input((3,), name="b"), keras.Input((2,), name="a")
    joined = keras.layers.Concatenate(name="all")([first, second])
    model = keras.Model([first, second], keras.layers.Dense(2, activation="softmax", name="y")(joined))
    rng = np.random.default_rng(1)
    split = Split.from_arrays(
        {"a": rng.normal(size=(40, 2)).astype(np.float32), "b": rng.normal(size=(40, 3)).astype(np.float32)},
        np.zeros(40, np.int64),
    )
    # `z` feeds both inputs, `k` one of them, and `a` is handed on as it is.
    front = lite(
        lambda raw: {"b": raw["z"] * tf.cast(raw["k"], tf.float32), "a": raw["z"][:, :2]},
        spec([3], z=0) | spec([3], tf.int64, k=0),
    )
    raw = {"z": rng.normal(size=(40, 3)).astype(np.float32), "k": rng.integers(-2, 3, (40, 3))}
    content = convert(model, QuantizeSettings(mode="int8_io", calibration_examples=40), split)
    quantized = fit(front, content)
    merged = prepend(quantized, content)
    interpreter = Interpreter(model_content=merged)
    assert list(interpreter.get_signature_list()["serving_default"]["inputs"]) == ["k", "z"]
    assert [detail["dtype"] for detail in interpreter.get_input_details()] == [np.int64, np.float32]
    (expected,) = run(content, run(quantized, raw)).values()
    (got,) = run(merged, raw).values()
    np.testing.assert_array_equal(got, expected)


def test_a_transform_that_does_nothing_renames_the_input(files, images):
    front = lite(lambda raw: {"image": raw["photo"]}, spec([8, 8, 1], photo=0))
    assert operator_names(front) == []
    for mode in ("dynamic", "int8_io"):
        merged = prepend(fit(front, files[mode]), files[mode])
        (expected,) = run(files["dynamic"], {"image": images[0][:20]}).values()
        (got,) = run(merged, {"photo": images[0][:20]}).values()
        if mode == "dynamic":
            np.testing.assert_array_equal(got, expected)
        else:
            assert (got.argmax(axis=1) == expected.argmax(axis=1)).mean() >= 0.9


def test_what_a_smaller_model_does_not_read_is_left_out():
    """As with a student that reads fewer features than its teacher."""
    front = lite(lambda raw: {"x": raw["a"] * 2, "y": raw["b"] * tf.range(1000.0)[:2]}, spec([2], a=0, b=0))
    model = lite(lambda given: {"out": given["x"] + 1}, spec([2], x=0))
    fitted = fit(front, model)
    merged = prepend(fitted, model)
    assert list(ports(unpack(merged).signatureDefs[0].inputs)) == ["a"]
    assert operator_names(merged) == ["MUL", "ADD"]
    (got,) = run(merged, {"a": np.float32([[1, 2]])}).values()
    np.testing.assert_array_equal(got, [[3, 5]])


def test_one_raw_feature_may_be_several_inputs():
    model = lite(lambda x: {"y": 10 * x["one"] + x["two"]}, spec([2], one=0, two=0))
    front = lite(lambda raw: {"one": raw["r"], "two": raw["r"]}, spec([2], r=0))
    (got,) = run(prepend(front, model), {"r": np.float32([[1, 2]])}).values()
    np.testing.assert_array_equal(got, [[11, 22]])


def repeat(times, step):
    return lambda value: tf.while_loop(lambda i, _: i < times, lambda i, v: (i + 1, step(v)), [0, value])[1]


def test_loops_keep_their_own_graphs():
    """Two increments, then three doublings: (x + 2) * 8, whichever file's loops come first."""
    add, double = repeat(2, lambda v: v + 1), repeat(3, lambda v: v * 2)
    front = lite(lambda raw: {"x": add(raw["r"])}, spec([2], r=0))
    model = lite(lambda x: {"y": double(x["x"])}, spec([2], x=0))
    assert "WHILE" in operator_names(front)
    merged = prepend(front, model)
    assert len(unpack(merged).subgraphs) == 5
    (got,) = run(merged, {"r": np.float32([[1, -5]])}).values()
    np.testing.assert_array_equal(got, [[24, -24]])


def changed(tflite, change):
    model = unpack(tflite)
    change(model)
    return pack(model)


def test_what_does_not_fit_is_refused(files, scaling):
    other = lite(lambda raw: {"picture": raw["r"]}, spec([8, 8, 1], r=0))
    with pytest.raises(CompressionError, match="must give what the model reads, got no image among picture"):
        prepend(other, files["int8"])
    flat = lite(lambda raw: {"image": raw["r"] * 2}, spec([64], r=0))
    with pytest.raises(CompressionError, match=r"as the model reads it, float32 \(batch, 8, 8, 1\), got float32 \(ba"):
        prepend(flat, files["int8"])
    with pytest.raises(CompressionError, match=r"int8 \(batch, 8, 8, 1\), got float32 \(batch, 8, 8, 1\)"):
        prepend(scaling, files["int8_io"])


def test_what_cannot_be_moved_is_refused(files, scaling):
    def numbered_metadata(model):
        model.metadata[0].name = b"model_control_dependencies"

    with pytest.raises(CompressionError, match="got model_control_dependencies, which may name tensors by numbers"):
        prepend(scaling, changed(files["int8"], numbered_metadata))

    def table(model):
        model.operatorCodes[0].builtinCode = schema.BuiltinOperator.HASHTABLE

    with pytest.raises(CompressionError, match="must keep nothing between calls, got HASHTABLE"):
        prepend(changed(scaling, table), files["int8"])

    def int16_input(model):
        model.subgraphs[0].tensors[model.subgraphs[0].inputs[0]].type = schema.TensorType.INT16

    with pytest.raises(CompressionError, match="must be int8 or uint8 to be fed by a transform, got int16 for 'image'"):
        fit(scaling, changed(files["int8_io"], int16_input))

    def nameless(model):
        model.signatureDefs = []

    with pytest.raises(CompressionError, match=r"must have one signature, serving_default, .* got none"):
        prepend(scaling, changed(files["int8"], nameless))
    with pytest.raises(CompressionError, match="must bear the mark TFL3"):
        prepend(b"no model at all", files["int8"])

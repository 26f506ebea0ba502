"""The programs of a model card: the Python one is executed, the C++ one compiled, the others are held against rules."""

import re
import subprocess

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from components.card.run_tflm import METHOD_OF
from components.card.usage import usage
from compression.edge.golden import Golden, golden
from compression.errors import CompressionError
from compression.interface import Interface, read_interface
from compression.predict import TFLitePredictor
from compression.raw_inputs.editing import entries, pack

# The little of TFLM's headers that the program uses, in their own signatures.
HEADERS = {
    "model_data.h": "alignas(16) const unsigned char model_tflite[] = {0};\n",
    "tensorflow/lite/schema/schema_generated.h": (
        "namespace tflite { struct Model; const Model* GetModel(const void* buf); }\n"
    ),
    "tensorflow/lite/micro/micro_mutable_op_resolver.h": (
        "enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };\n"
        "namespace tflite { struct MicroOpResolver {};\n"
        "template <unsigned int tOpCount> struct MicroMutableOpResolver : MicroOpResolver {\n"
        "  TfLiteStatus AddAdd(); TfLiteStatus AddFullyConnected(); TfLiteStatus AddQuantize();\n};\n}\n"
    ),
    "tensorflow/lite/micro/micro_interpreter.h": (
        "#include <cstddef>\n#include <cstdint>\n"
        '#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"\n'
        "namespace tflite { struct Model;\nstruct MicroInterpreter {\n"
        "  MicroInterpreter(const Model*, const MicroOpResolver&, uint8_t*, size_t);\n"
        "  TfLiteStatus AllocateTensors(); TfLiteStatus Invoke();\n"
        "  template <class T> T* typed_input_tensor(int); template <class T> T* typed_output_tensor(int);\n};\n}\n"
    ),
}


def signed(model: bytes, inputs: dict[str, int], outputs: dict[str, int]) -> bytes:
    """The model with a signature."""
    made = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model, 0))
    definition = schema.SignatureDefT()
    definition.signatureKey, definition.subgraphIndex = b"serving_default", 0
    definition.inputs, definition.outputs = entries(inputs), entries(outputs)
    made.signatureDefs = [definition]
    return pack(made)


def added(tools, dtype: str, quantization: tuple[float, int] | None = None) -> bytes:
    """Two inputs whose names sort the other way round than the graph has them."""
    tensor = {"dtype": dtype, "quantization": quantization}
    graph = tools.G(
        [tools.T([1, 4], **tensor) for _ in range(3)],
        [tools.Op("ADD", [0, 1], [2], tools.options("AddOptions"))],
        inputs=(0, 1),
    )
    return signed(tools.build(graph), {"right": 0, "left": 1}, {"sum": 2})


def described(model: bytes) -> tuple[list, list]:
    predictor = TFLitePredictor(model)
    return [vars(port) for port in predictor.inputs], [vars(port) for port in predictor.outputs]


def programs(model: bytes, kernels: str = "xnnpack", arena_bytes: int | None = 384) -> dict:
    made = usage(*described(model), read_interface(model), kernels=kernels, arena_bytes=arena_bytes)
    return {name: row["code"] or f"NONE: {row['why_not']}" for name, row in made.items()}


@pytest.fixture
def dense(tools) -> bytes:
    return signed(tools.dense_int8(weight=20, first=-90), {"image": 0}, {"digit": 3})


def test_the_interface_is_in_the_order_of_the_graph(tools, dense):
    found = read_interface(added(tools, "float32"))
    assert (found.inputs, found.outputs) == (("right", "left"), ("sum",))
    assert (found.operators, found.custom) == (("ADD",), ())
    assert read_interface(dense).operators == ("FULLY_CONNECTED",)
    with pytest.raises(CompressionError, match="must have one signature, serving_default"):
        read_interface(tools.dense())


@pytest.mark.parametrize("kernels", ["xnnpack", "builtin", "reference"])
@pytest.mark.parametrize("name", ["dense", "float_sum"])
def test_the_python_program_reproduces_golden_answers(tools, dense, tmp_path, monkeypatch, kernels, name):
    model = dense if name == "dense" else added(tools, "float32")
    path = tmp_path / "model.tflite"
    path.write_bytes(model)
    rows = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    inputs, _ = described(model)
    golden(path, {port["name"]: rows for port in inputs}, kernels=kernels).save(tmp_path / "golden.npz")
    monkeypatch.chdir(tmp_path)
    code, pairs = programs(model, kernels)["python"], Golden.load(tmp_path / "golden.npz")
    for row in range(5):
        said = {}
        exec(compile(code.replace("[:1]", f"[{row}:{row + 1}]"), "card", "exec"), said)
        for output, expected in pairs.outputs.items():
            np.testing.assert_array_equal(said["answer"][output], expected[row : row + 1])
    assert any(np.ptp(values) for values in pairs.outputs.values())
    # The line for numbers of one's own gives the same integers.
    for line in re.findall(r"# of real numbers x: (.*)", code):
        (port,) = inputs
        integers = pairs.inputs[port["name"]]
        space = {"np": np, "x": port["scale"] * (integers.astype(np.float32) - port["zero_point"])}
        exec(line, space)
        np.testing.assert_array_equal(space["image"], integers)
    # A wrong file does not get by.
    damaged = Golden(pairs.inputs, {k: v + np.asarray(3, v.dtype) for k, v in pairs.outputs.items()}, kernels, "x")
    damaged.save(tmp_path / "golden.npz")
    with pytest.raises(AssertionError):
        exec(compile(code, "card", "exec"), {})


def resolver(code: str) -> tuple[int, list[str]]:
    (count,) = re.findall(r"MicroMutableOpResolver<(\d+)> resolver;", code)
    return int(count), re.findall(r"resolver\.Add(\w+)\(\);", code)


def test_the_resolver_of_tflm_holds_the_operators_of_the_file(tools, dense):
    count, methods = resolver(programs(dense)["tflm"])
    assert (count, methods) == (1, ["FullyConnected"])
    count, methods = resolver(programs(added(tools, "int8", (0.5, 1)))["tflm"])
    assert (count, methods) == (1, ["Add"])


def test_what_tflm_lacks_is_said(tools):
    tensors = [tools.T([1, 4]), tools.T([1, 4])]
    custom = signed(tools.build(tools.G(tensors, [tools.Op("X", [0], [1], custom="Mine")])), {"a": 0}, {"b": 1})
    gelu = signed(tools.build(tools.G(tensors, [tools.Op("GELU", [0], [1])])), {"a": 0}, {"b": 1})
    for model, missing in ((custom, "Mine"), (gelu, "GELU")):
        ports = [{"name": name, "shape": [-1, 4], "dtype": "float32", "scale": 0.0, "zero_point": 0} for name in "ab"]
        made = usage(ports[:1], ports[1:], read_interface(model), kernels="xnnpack", arena_bytes=None)
        assert made["tflm"] == {"code": None, "why_not": f"TFLM has no operator {missing}"}
        assert made["python"]["code"]


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8", "int16", "int32", "int64", "bool"])
def test_the_program_for_tflm_is_cpp(dtype, tmp_path):
    port = {"shape": [-1, 4], "dtype": dtype, "scale": 0.5 if "8" in dtype else 0.0, "zero_point": 3}
    ports = [{"name": "image", **port}, {"name": "image ", **port}]
    interface = Interface(("image",), ("image ",), ("ADD", "FULLY_CONNECTED"), ())
    code = usage(ports[:1], ports[1:], interface, kernels="xnnpack", arena_bytes=None)["tflm"]["code"]
    for name, text in HEADERS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"#pragma once\n{text}")
    (tmp_path / "answer.cc").write_text(code)
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", ".", "answer.cc"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_positions_are_those_of_the_graph(tools):
    made = programs(added(tools, "int8", (0.5, 1)))
    assert "try interpreter.copy(right.withUnsafeBytes { Data($0) }, toInputAt: 0)" in made["ios"]
    assert "try interpreter.copy(left.withUnsafeBytes { Data($0) }, toInputAt: 1)" in made["ios"]
    assert "std::memcpy(interpreter.typed_input_tensor<int8_t>(1), left, 4 * sizeof(int8_t));" in made["tflm"]
    assert 'model.run(mapOf("right" to right, "left" to left), mapOf("sum" to sum))' in made["android"]
    for name in ("ios", "android"):
        assert "0.5" in made[name]
        assert "+ (1)" in made[name]


# What the public documentation of the two libraries has: nothing else may be called.
KOTLIN_API = {"create", "Options", "createInputBuffer", "createOutputBuffer", "run"}
KOTLIN_API |= {f"{verb}{kind}" for verb in ("write", "read") for kind in ("Float", "Int8", "Int", "Long", "Boolean")}
KOTLIN_OWN = {"roundToInt", "coerceIn", "toByte", "toInt", "toList", "map", "mapOf", "println", "implementation"}
KOTLIN_OWN |= {"FloatArray", "ByteArray", "IntArray", "LongArray", "BooleanArray"}
SWIFT_API = {"Interpreter", "allocateTensors", "copy", "invoke", "output"}
SWIFT_OWN = {"path", "withUnsafeBytes", "Data", "bindMemory", "Array", "map", "min", "max", "rounded", "print"}
SWIFT_OWN |= {"Float32", "Int8", "UInt8", "Int16", "Int32", "Int64", "Bool"}


@pytest.mark.parametrize(("platform", "known"), [("android", KOTLIN_API | KOTLIN_OWN), ("ios", SWIFT_API | SWIFT_OWN)])
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8", "int32", "int64", "bool"])
def test_other_languages_are_balanced_and_call_what_is_documented(platform, known, dtype):
    port = {"shape": [-1, 4], "dtype": dtype, "scale": 0.5 if "8" in dtype else 0.0, "zero_point": 3}
    ports = [{"name": "a$b", **port}, {"name": "class", **port}]
    made = usage(ports[:1], ports[1:], Interface(("a$b",), ("class",), ("ADD",), ()), kernels="xnnpack", arena_bytes=1)
    code = made[platform]["code"]
    code = re.sub(r"^// .*$", "", code, flags=re.MULTILINE)
    assert "a\\$b" in code or platform == "ios"
    plain = re.sub(r'"(\\.|[^"\\])*"', '""', re.sub(r"  // .*$", "", code, flags=re.MULTILINE))
    for opening, closing in ("()", "{}", "[]"):
        assert plain.count(opening) == plain.count(closing)
    assert set(re.findall(r"(\w+)\(", plain)) - known == set()
    assert len(code.splitlines()) <= 16


def test_a_type_that_an_api_lacks_is_said():
    ports = [{"name": name, "shape": [-1, 4], "dtype": "complex64", "scale": 0.0, "zero_point": 0} for name in "ab"]
    made = usage(ports[:1], ports[1:], Interface(("a",), ("b",), ("ADD",), ()), kernels="xnnpack", arena_bytes=1)
    assert made["android"] == {"code": None, "why_not": "its API has no tensors of these types"}
    assert made["ios"]["code"] is None
    assert made["tflm"]["why_not"] == "TFLM has no tensors of type complex64"


def test_the_python_program_opens_what_a_version_holds(dense):
    code = programs(dense)["python"]
    assert {"model.tflite", "golden.npz"} == set(re.findall(r'"(\w+\.\w+)"', code))


def test_the_methods_of_tflm_are_those_that_its_interpreter_takes(profiles):
    """Two sources agree: the resolver's header, and the profile, whose list was found by asking the interpreter."""
    assert {name.replace("_", "").lower() for name in profiles["mcu"].operators} == set(METHOD_OF)

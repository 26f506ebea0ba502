"""Tiny TFLite files written by hand, without TensorFlow: exact in every weight, and as wrong as a test wants them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from compression.edge.profile import load_profile
from compression.settings.edge import EdgeSettings


@dataclass
class T:
    """A tensor: type, shape, values of a constant, (scale, zero point)."""

    shape: Sequence[int]
    dtype: str = "float32"
    values: object = None
    quantization: tuple[float, int] | None = None
    signature: Sequence[int] | None = None
    variable: bool = False


@dataclass
class Op:
    name: str
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: object = None
    custom: str | None = None


@dataclass
class G:
    tensors: Sequence[T]
    operators: Sequence[Op]
    inputs: Sequence[int] = (0,)
    outputs: Sequence[int] = field(default_factory=lambda: (-1,))


def _tensor(index: int, tensor: T, buffers: list) -> schema.TensorT:
    made = schema.TensorT()
    made.name = f"t{index}"
    made.shape = list(tensor.shape)
    made.shapeSignature = None if tensor.signature is None else list(tensor.signature)
    made.type = getattr(schema.TensorType, tensor.dtype.upper())
    made.isVariable = tensor.variable
    if tensor.quantization:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [tensor.quantization[0]], [tensor.quantization[1]]
    buffer = schema.BufferT()
    if tensor.values is not None:
        content = np.broadcast_to(np.asarray(tensor.values, tensor.dtype), tensor.shape).tobytes()
        buffer.data = np.frombuffer(content, np.uint8)
    made.buffer = len(buffers)
    buffers.append(buffer)
    return made


def _graph(graph: G, model: schema.ModelT) -> schema.SubGraphT:
    made = schema.SubGraphT()
    made.tensors = [_tensor(index, tensor, model.buffers) for index, tensor in enumerate(graph.tensors)]
    made.inputs = list(graph.inputs)
    made.outputs = [index % len(graph.tensors) for index in graph.outputs]
    made.operators = []
    for op in graph.operators:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, "CUSTOM" if op.custom else op.name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.customCode = op.custom
        code.version = 1
        model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(model.operatorCodes) - 1
        operator.inputs, operator.outputs = list(op.inputs), list(op.outputs)
        if op.options is not None:
            operator.builtinOptions = op.options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(op.options).__name__[:-1])
        made.operators.append(operator)
    return made


def build_model(*graphs: G) -> bytes:
    model = schema.ModelT()
    model.version, model.operatorCodes, model.buffers = 3, [], [schema.BufferT()]
    model.subgraphs = [_graph(graph, model) for graph in graphs]
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _options(kind: str, **values: object) -> object:
    made = getattr(schema, f"{kind}T")()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def dense(weights: object = 1.0, bias: float = 0.0) -> bytes:
    """Float, 4 -> 3."""
    return build_model(
        G(
            [T([1, 4]), T([3, 4], values=weights), T([3], values=bias), T([1, 3])],
            [Op("FULLY_CONNECTED", [0, 1, 2], [3], _options("FullyConnectedOptions"))],
        )
    )


def dense_int8(weight: int = 2, first: int = 2) -> bytes:
    """int8 in and out, 4 -> 3; `first` is the first weight alone."""
    weights = np.full((3, 4), weight, np.int8)
    weights[0, 0] = first
    return build_model(
        G(
            [
                T([1, 4], "int8", quantization=(0.1, 0)),
                T([3, 4], "int8", weights, (0.1, 0)),
                T([3], "int32", 0, (0.01, 0)),
                T([1, 3], "int8", quantization=(0.1, 0)),
            ],
            [Op("FULLY_CONNECTED", [0, 1, 2], [3], _options("FullyConnectedOptions"))],
        )
    )


def endless() -> bytes:
    """A WHILE whose condition is always true."""
    condition = G([T([1, 4]), T([1], "bool", True)], [], outputs=(1,))
    body = G([T([1, 4]), T([1, 4])], [Op("ABS", [0], [1], _options("AbsOptions"))])
    loop = Op("WHILE", [0], [1], _options("WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=2))
    return build_model(G([T([1, 4]), T([1, 4])], [loop]), condition, body)


def bottomless() -> bytes:
    """A WHILE whose body is its own graph: preparing it never ends until the stack does."""
    condition = G([T([1, 4]), T([1], "bool", True)], [], outputs=(1,))
    loop = Op("WHILE", [0], [1], _options("WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=2))
    return build_model(G([T([1, 4]), T([1, 4])], [loop]), condition, G([T([1, 4]), T([1, 4])], [loop]))


def greedy() -> bytes:
    """Asks for 16 TiB."""
    shape = T([2], "int32", [1 << 21, 1 << 21])
    tensors = [T([1, 4]), shape, T([], values=1.0), T([1, 1], signature=[-1, -1])]
    return build_model(G(tensors, [Op("FILL", [1, 2], [3], _options("FillOptions"))]))


@pytest.fixture(scope="session")
def tools():
    """The builders, for tests that write their own graphs."""

    class Tools:
        T, Op, G = T, Op, G
        build, options = staticmethod(build_model), staticmethod(_options)
        dense, dense_int8 = staticmethod(dense), staticmethod(dense_int8)
        endless, bottomless, greedy = staticmethod(endless), staticmethod(bottomless), staticmethod(greedy)

    return Tools


@pytest.fixture
def write(tmp_path) -> Callable[[bytes], Path]:
    def write_one(content: bytes, name: str = "model.tflite") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_one


@pytest.fixture(scope="session")
def samples() -> dict[str, np.ndarray]:
    """Twelve examples; hand-written files have no signature, so the feature bears the tensor's name."""
    return {"t0": np.linspace(-1, 1, 48, dtype=np.float32).reshape(12, 4)}


@pytest.fixture(scope="session")
def profiles():
    return {name: load_profile(name) for name in ("cpu", "mcu", "ethos-u")}


@pytest.fixture
def settings() -> EdgeSettings:
    return EdgeSettings()

"""A TFLite model in LiteRT, one example at a time as on a device; runs in the check's child process."""

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from compression.predict import SIGNATURE, quantize_array

RESOLVERS: dict[str, OpResolverType] = {
    "xnnpack": OpResolverType.BUILTIN,
    "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "reference": OpResolverType.BUILTIN_REF,
}
"""What LiteRT calls the kernels of a profile."""

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Port:
    """An input or output: its name in the signature, its tensor, type, shape with batch 1, and quantization."""

    name: str
    index: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    scale: float
    zero_point: int


class Session:
    """An allocated interpreter for batches of one example.

    Args:
        model: The flatbuffer.
        kernels: A key of `RESOLVERS`.
        threads: Threads of LiteRT.
    """

    def __init__(self, model: bytes, kernels: str, threads: int) -> None:
        self._interpreter = Interpreter(
            model_content=model, num_threads=threads, experimental_op_resolver_type=RESOLVERS[kernels]
        )
        for detail in self._interpreter.get_input_details():
            shape = detail["shape"].tolist()
            if shape and shape[0] != 1:
                self._interpreter.resize_tensor_input(detail["index"], [1, *shape[1:]])
        self._interpreter.allocate_tensors()
        names = self._signature_names()
        self.inputs = tuple(_port(detail, names) for detail in self._interpreter.get_input_details())
        self.outputs = tuple(_port(detail, names) for detail in self._interpreter.get_output_details())

    def prepare(self, features: Mapping[str, np.ndarray], position: int, *, raw: bool) -> Arrays:
        """One example in the model's own types, `[1, ...]` by input name.

        Args:
            features: Arrays `[examples, ...]` by name; others than the model's inputs are ignored.
            position: Which example.
            raw: Whether the arrays hold the model's own types already; else they hold real numbers.

        Raises:
            ValueError: A feature is missing, or its shape or type is not the model's.
        """
        example = {}
        for port in self.inputs:
            if port.name not in features:
                raise ValueError(f"it needs feature {port.name!r}, got {', '.join(sorted(features)) or 'none'}")
            values = features[port.name][position : position + 1]
            if values.shape != port.shape:
                raise ValueError(f"feature {port.name!r} must have shape {port.shape}, got {values.shape}")
            if raw and values.dtype != port.dtype:
                raise ValueError(f"feature {port.name!r} must be {port.dtype}, got {values.dtype}")
            if not raw and port.scale:
                values = quantize_array(values, port.scale, port.zero_point, port.dtype)
            example[port.name] = np.ascontiguousarray(values, port.dtype)
        return example

    def set_inputs(self, example: Mapping[str, np.ndarray]) -> None:
        """Copies a prepared example into the interpreter."""
        for port in self.inputs:
            self._interpreter.set_tensor(port.index, example[port.name])

    def invoke(self) -> None:
        """Runs the model; nothing else, so that it can be timed."""
        self._interpreter.invoke()

    def answer(self, example: Mapping[str, np.ndarray]) -> Arrays:
        """Outputs for a prepared example, in the model's own types; what the example before left behind is reset."""
        self._interpreter.reset_all_variables()
        self.set_inputs(example)
        self.invoke()
        return {port.name: self._interpreter.get_tensor(port.index) for port in self.outputs}

    def _signature_names(self) -> dict[int, str]:
        """Tensor index -> name in the signature; empty for a file without one."""
        if SIGNATURE not in self._interpreter.get_signature_list():
            return {}
        runner = self._interpreter.get_signature_runner(SIGNATURE)
        details = itertools.chain(runner.get_input_details().items(), runner.get_output_details().items())
        return {detail["index"]: name for name, detail in details}


def _port(detail: Mapping[str, Any], names: Mapping[int, str]) -> Port:
    index = int(detail["index"])
    plain = detail["name"].removeprefix(f"{SIGNATURE}_").split(":")[0]
    scale, zero_point = detail["quantization"]
    shape = tuple(detail["shape"].tolist())
    return Port(names.get(index, plain), index, np.dtype(detail["dtype"]), shape, float(scale), int(zero_point))


@dataclass(frozen=True)
class Answers:
    """What a model answered to real examples.

    Attributes:
        inputs: The examples in the model's own types.
        outputs: The answers in the model's own types, in the order of `inputs`.
        finite: Whether all of them are finite numbers.
        deterministic: Whether asking again, in the opposite order, gave the same bytes.
    """

    inputs: Sequence[Arrays]
    outputs: Sequence[Arrays]
    finite: bool
    deterministic: bool


def ask(session: Session, features: Mapping[str, np.ndarray], *, raw: bool, seconds: float) -> Answers:
    """Asks a model for its answers to real examples, twice.

    Args:
        session: The model.
        features: Arrays `[examples, ...]` by name.
        raw: As in `Session.prepare`.
        seconds: No further example is begun in the first pass after so much time; at least one is answered.
    """
    examples = min(len(values) for values in features.values())
    end = time.monotonic() + seconds
    inputs: list[Arrays] = []
    outputs: list[Arrays] = []
    while len(inputs) < examples and (not inputs or time.monotonic() < end):
        inputs.append(session.prepare(features, len(inputs), raw=raw))
        outputs.append(session.answer(inputs[-1]))
    # In the opposite order, so that an answer that depends on the example before shows.
    again = [session.answer(example) for example in reversed(inputs)][::-1]
    floats = [values for answer in outputs for values in answer.values() if values.dtype.kind == "f"]
    return Answers(
        inputs=inputs,
        outputs=outputs,
        finite=all(bool(np.isfinite(values).all()) for values in floats),
        deterministic=all(_same(*pair) for pair in zip(outputs, again, strict=True)),
    )


def _same(one: Arrays, other: Arrays) -> bool:
    # Bytes, not values: NaN differs from itself.
    return all(one[name].tobytes() == other[name].tobytes() for name in one)

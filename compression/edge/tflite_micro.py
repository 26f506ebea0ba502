"""A model in the interpreter of TensorFlow Lite Micro (package `tflite-micro`), which computes as a device does.

`run` is for the check's child process. The interpreter prints its memory to standard error only, so that is caught.
"""

import importlib
import importlib.util
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

import numpy as np

_ARENA_BYTES = 64 * 1024 * 1024
"""Room for any microcontroller's model; what is used of it does not depend on it."""

_TOTAL = re.compile(r"Arena allocation total (\d+) bytes")


def installed() -> bool:
    """Whether the package is there; imports nothing."""
    return importlib.util.find_spec("tflite_micro") is not None


def run(model: bytes, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Runs the examples that LiteRT answered.

    Args:
        model: The flatbuffer.
        answers: `input/<i>` and `output/<i>`, `[examples, ...]` in the model's own types, as LiteRT computed them.

    Returns:
        `arena_bytes`: the arena in use, the interpreter's own structures included; `examples`; `finite`;
        `max_difference`: the largest difference to LiteRT's answers as a share of the span of those; and `version`.

    Raises:
        RuntimeError: The interpreter refuses the model; the message is its own.
    """
    outputs = [name for name in sorted(answers) if name.startswith("output/")]
    inputs = [name for name in sorted(answers) if name.startswith("input/")]
    expected = {name: answers[name] for name in outputs}
    found: dict[str, list[np.ndarray]] = {name: [] for name in outputs}
    interpreter = load(model)
    for position in range(len(answers[inputs[0]])):
        for name in inputs:
            interpreter.set_input(answers[name][position : position + 1], int(name.split("/")[1]))
        loud(interpreter.invoke)
        for name in outputs:
            found[name].append(interpreter.get_output(int(name.split("/")[1])))
    printed = _printed_by(interpreter.print_allocations)
    total = _TOTAL.search(printed)
    if total is None:
        raise RuntimeError(f"it must tell the size of its arena, but it printed: {printed[:500]!r}")
    answered = {name: np.concatenate(values) for name, values in found.items()}
    return {
        "arena_bytes": int(total.group(1)),
        "examples": len(answers[inputs[0]]),
        "finite": all(bool(np.isfinite(values).all()) for values in answered.values()),
        "max_difference": max(_difference(expected[name], answered[name]) for name in outputs),
        "version": metadata.version("tflite-micro"),
    }


def load(model: bytes) -> Any:  # noqa: ANN401 - the package is not typed
    """The package's interpreter with a model in it.

    Raises:
        RuntimeError: It refuses the model; the message is its own.
    """
    runtime = importlib.import_module("tflite_micro").runtime
    return loud(lambda: runtime.Interpreter.from_bytes(model, arena_size=max(_ARENA_BYTES, 10 * len(model))))


def _difference(expected: np.ndarray, answered: np.ndarray) -> float:
    """Largest difference as a share of the span of what was expected; 0.0 for equal answers."""
    one, other = expected.astype(np.float64), answered.astype(np.float64).reshape(expected.shape)
    largest = float(np.abs(one - other).max())
    span = float(one.max() - one.min())
    return largest / span if span else largest


def loud(call: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the interpreter gives
    """Calls, and puts what was printed to standard error into the error: the exception itself says nothing."""
    said: list[str] = []
    try:
        return _caught(call, said)
    except RuntimeError as error:
        lines = [line for line in "".join(said).splitlines() if line.strip()]
        raise RuntimeError("; ".join([*lines[:5], str(error)])) from error


def _printed_by(call: Callable[[], Any]) -> str:
    said: list[str] = []
    _caught(call, said)
    return "".join(said)


def _caught(call: Callable[[], Any], said: list[str]) -> Any:  # noqa: ANN401
    """Calls with standard error going to `said`; by file descriptor, as C++ prints there."""
    saved = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            return call()
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            caught.seek(0)
            said.append(caught.read().decode(errors="replace"))

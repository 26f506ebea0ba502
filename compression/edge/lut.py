"""Compresses a file's weights to lookup tables with TensorFlow Lite Micro's own tool; see `compression.lut`.

`python -m compression.edge.lut FOLDER` is a child process without TensorFlow. It makes the file and lets it answer: a
size counts only when the smaller file computes the same.
"""

import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from compression.edge import graph, tflite_micro
from compression.edge.files import MODEL

TABLES = "tables.json"
RESULT = "result.json"

_ANSWERS = 3

Table = Mapping[str, Any]


def main() -> int:
    """Reads `MODEL` and `TABLES` in the folder, writes `RESULT`: `lut_bytes`, or `not_measured` with the reason."""
    folder = Path(sys.argv[1])
    model, tables = (folder / MODEL).read_bytes(), json.loads((folder / TABLES).read_text())
    try:
        result: dict[str, Any] = {"lut_bytes": len(_smallest(model, tables))}
    except RuntimeError as reason:
        result = {"not_measured": str(reason)}
    (folder / RESULT).write_text(json.dumps(result))
    return 0


def _smallest(model: bytes, tables: Sequence[Table]) -> bytes:
    """The smallest file that some of the tables make.

    Raises:
        RuntimeError: None makes it smaller, the interpreter does not run the model, or its answers change.
    """
    compressed = _compress(model, tables)
    # What the graph grows by for a table: an operator, tensors and their names.
    grown = (len(compressed) - len(model) + sum(table["saved_bytes"] for table in tables)) / len(tables)
    worthwhile = [table for table in tables if table["saved_bytes"] > grown]
    if 0 < len(worthwhile) < len(tables):
        compressed = min(compressed, _compress(model, worthwhile), key=len)
    if len(compressed) >= len(model):
        raise RuntimeError("no weight tensor gets smaller by a table of at most 128 values")
    try:
        same = all(map(np.array_equal, _answers(model), _answers(compressed)))
    except RuntimeError as error:
        raise RuntimeError(f"TensorFlow Lite Micro must run the file, but says: {error}") from error
    if not same:
        raise RuntimeError("the compressed file must answer as the plain one, but does not in TensorFlow Lite Micro")
    return compressed


def _compress(model: bytes, tables: Sequence[Table]) -> bytes:
    tool = importlib.import_module("tflite_micro").compression
    specification = {
        "tensors": [
            {
                "subgraph": table["graph"],
                "tensor": table["tensor"],
                "compression": [{"lut": {"index_bitwidth": table["bits"], **_mode(table["axis"])}}],
            }
            for table in tables
        ]
    }
    return bytes(tool.compress(model, tool.parse_yaml(json.dumps(specification))))


def _mode(axis: int | None) -> dict[str, Any]:
    return {"per_tensor": None} if axis is None else {"per_channel": {"axis": axis}}


def _answers(model: bytes) -> list[np.ndarray]:
    """All outputs for a few made-up examples."""
    interpreter, read = tflite_micro.load(model), graph.read_graph(model)
    generator = np.random.default_rng(0)
    answers = []
    for _ in range(_ANSWERS):
        for position in range(len(read.inputs)):
            details = interpreter.get_input_details(position)
            interpreter.set_input(_example(generator, details["shape"], np.dtype(details["dtype"])), position)
        tflite_micro.loud(interpreter.invoke)
        answers += [interpreter.get_output(position) for position in range(len(read.outputs))]
    return answers


def _example(generator: np.random.Generator, shape: Sequence[int], dtype: np.dtype[Any]) -> np.ndarray:
    if dtype.kind == "f":
        return generator.uniform(-1.0, 1.0, shape).astype(dtype)
    if dtype.itemsize > 2:
        return np.zeros(shape, dtype)  # indices of an embedding whose size is not known here
    limits = np.iinfo(dtype)
    return generator.integers(limits.min, limits.max, shape, dtype, endpoint=True)


if __name__ == "__main__":
    sys.exit(main())

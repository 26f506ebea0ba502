"""The size of a file whose weights are looked up in tables of a few values, as TensorFlow Lite Micro can.

The format is that of tensorflow/lite/micro/docs/compression.md in tflite-micro: 1 to 7 bits of index for each weight,
one table of values per tensor or per output channel, and an operator that decodes in front of every reader.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from compression.edge import runner, tflite_micro
from compression.edge.devices import INSTALL
from compression.edge.files import MODEL
from compression.edge.lut import RESULT, TABLES
from compression.weight_operands import StoredWeight

_ROOT = Path(__file__).resolve().parents[1]
_MOST_BITS = 7
_HEADER_BYTES = 16
_DTYPES = frozenset({"float32", "int8", "int16"})
_TIME_LIMIT_S = 300.0


@dataclass(frozen=True)
class Table:
    """How one tensor is compressed.

    Attributes:
        graph: Number of its graph.
        tensor: Its number in the graph.
        bits: Bits of an index.
        axis: Axis of the channels that have a table each; `None`: one table.
        saved_bytes: By how much index and tables are smaller than the tensor, the decoding operator not counted.
    """

    graph: int
    tensor: int
    bits: int
    axis: int | None
    saved_bytes: int


def table(weight: StoredWeight) -> Table | None:
    """The table for a tensor; `None` when it has too many distinct values or none would save anything.

    A tensor that is quantized per channel gets a table per channel: the interpreter decodes it wrongly with one.
    """
    if weight.tensor.dtype not in _DTYPES:
        return None
    axis = weight.channel_axis if weight.tensor.scales.size > 1 else None
    parts = [weight.values] if axis is None else list(weight.by_channel)
    longest = max(np.unique(part).size for part in parts)
    bits = max(1, int(longest - 1).bit_length())
    size = weight.values.size
    needed = -(-size * bits // 8) + _HEADER_BYTES + len(parts) * longest * weight.values.itemsize
    saved = weight.tensor.size_bytes - needed
    return Table(weight.graph, weight.index, bits, axis, saved) if bits <= _MOST_BITS and saved > 0 else None


def lut_bytes(tflite: bytes, stored: Iterable[StoredWeight]) -> tuple[int | None, str]:
    """Size of the compressed file, in bytes; `None` and the reason when it was not made.

    Args:
        tflite: The flatbuffer.
        stored: Its weight tensors.
    """
    tables = [found for found in map(table, stored) if found is not None]
    if not tables:
        return None, "no weight tensor gets smaller by a table of at most 128 values"
    if not tflite_micro.installed():
        return None, f"tflite-micro is absent; {INSTALL}"
    with tempfile.TemporaryDirectory(prefix="lut-") as name:
        folder = Path(name)
        (folder / MODEL).write_bytes(tflite)
        (folder / TABLES).write_text(json.dumps([asdict(found) for found in tables]))
        paths = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-P", "-m", "compression.edge.lut", name]
        ended = runner.run_limited(command, _TIME_LIMIT_S, {**os.environ, "PYTHONPATH": paths}, folder)
        if ended.status != 0:
            last = ended.output.strip().splitlines()[-1:] or ["nothing"]
            return (
                None,
                f"tflite-micro must compress the file, but ended with status {ended.status} and said: {last[0]}",
            )
        result = json.loads((folder / RESULT).read_text())
    return result.get("lut_bytes"), result.get("not_measured", "")

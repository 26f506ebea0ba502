"""The errors of every weight tensor of a finished file, and of the layer that reads it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from compression.data import Split
from compression.errors import CompressionError
from compression.flatbuffer import Graph, Tensor, read_graphs
from compression.layer_errors.outputs import errors_before, output_errors, real, relative, take
from compression.layer_errors.pairs import Pair, constant_behind, pairs
from compression.weight_operands import StoredWeight, readers

_ALONE = "the float32 file computes this layer otherwise"
_TRAINED = "its weights were trained with this rounding"
_INSIDE = "the layer is computed inside a loop"


@dataclass(frozen=True)
class LayerError:
    """What quantization cost a layer.

    Attributes:
        name: The weight tensor's name in the file.
        weights: Relative root mean square error of its weights, at least 0.
        output: The same of the layer's output on real examples; errors of the layers before are in it.
        before: The largest such error among what the layer reads: what `output` is beyond it, the layer added.
        not_measured: Why one of them is `None`.
    """

    name: str
    weights: float | None = None
    output: float | None = None
    before: float | None = None
    not_measured: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def measure(
    content: bytes, reference: bytes, stored: Sequence[StoredWeight], train: Split, *, rounded: bool = False
) -> list[LayerError]:
    """One row for every weight tensor of a file, in the order of `stored`.

    Args:
        content: The finished file.
        reference: The same model as a float32 file.
        stored: The file's weights.
        train: Examples to run both on; the first few are taken.
        rounded: The model was trained with rounded weights, which its float32 file holds as well.
    """
    graphs, float_graphs = read_graphs(content), read_graphs(reference)
    paired = pairs(graphs, float_graphs)
    try:
        found = output_errors(content, reference, paired[0], take(content, train))
        failed = ""
    except (CompressionError, RuntimeError, ValueError) as fault:  # LiteRT's own for what it cannot run or show
        found, failed = {}, str(fault)
    before = errors_before(graphs[0], found)
    read_by = [readers(graph) for graph in graphs]
    rows = []
    for weight in stored:
        # The first operator that reads it stands for all of them.
        operator, position = read_by[weight.graph][weight.index][0]
        pair = next((one for one in paired[weight.graph] if one.operator is operator), None)
        missing: dict[str, str] = {}
        if rounded:
            missing["weights"] = _TRAINED
        error = None if rounded else _weight_error(weight, pair, position, missing)
        output = _output_error(weight, pair, found, failed, missing)
        earlier = None if output is None or pair is None else before[pair.operator.outputs[0]]
        if earlier is None:
            missing["before"] = missing["output"]
        rows.append(LayerError(weight.tensor.name, error, output, earlier, missing))
    return rows


def weight_error(values: np.ndarray, tensor: Tensor, expected: np.ndarray) -> float | None:
    """Root mean square of the differences from float weights, over that of the float weights.

    Args:
        values: The stored weights.
        tensor: Their tensor, with scales and zero points.
        expected: The float weights, of the same shape.

    Returns:
        `None` when all float weights are zero.

    >>> half = Tensor("w", "int8", (2,), None, 2, np.array([0.5], np.float32), np.array([0]), 0)
    >>> weight_error(np.array([6, 8], np.int8), half, np.array([3.0, 4.5]))  # 3 and 4 for 3 and 4.5: 0.5 / 5.408
    0.0924500327...
    """
    exact = expected.astype(np.float64)
    return relative(float(np.sum((real(values, tensor) - exact) ** 2)), float(np.sum(exact**2)))


def _weight_error(weight: StoredWeight, pair: Pair | None, position: int, missing: dict[str, str]) -> float | None:
    expected = None if pair is None else _float_weights(pair, position)
    if expected is None or expected.shape != weight.values.shape:
        missing["weights"] = _ALONE
        return None
    error = weight_error(weight.values, weight.tensor, expected)
    if error is None:
        missing["weights"] = "all its weights are zero"
    return error


def _float_weights(pair: Pair, position: int) -> np.ndarray | None:
    graph: Graph = pair.float_graph
    operands = pair.counterpart.inputs
    index = constant_behind(operands[position], graph) if position < len(operands) else -1
    return graph.tensors[index].values if index >= 0 else None


def _output_error(
    weight: StoredWeight,
    pair: Pair | None,
    found: dict[int, float | None],
    failed: str,
    missing: dict[str, str],
) -> float | None:
    error = None if pair is None or weight.graph != 0 else found.get(pair.operator.outputs[0])
    if error is None:
        zero = "its output is zero on every example, or no number"
        missing["output"] = _INSIDE if weight.graph != 0 else failed or (_ALONE if pair is None else zero)
    return error

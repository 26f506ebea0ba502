"""Multiply-accumulates of one invocation, counted from the shapes in a TFLite file.

Counted are the operators that multiply with weights or with another activation matrix; additions of biases,
activation functions and pooling are not.
"""

import math
from collections.abc import Callable

from compression.edge.graph import Graph, Operator, Tensor


class NotCounted(ValueError):
    """A model whose multiply-accumulates do not stand in its shapes; the message says why."""


def _dense(inputs: list[Tensor | None], output: Tensor) -> int:
    """Every output element is a dot product along the weights' last axis; weights `[out, in]`."""
    return output.elements * _given(inputs, 1).shape[-1]


def _conv(inputs: list[Tensor | None], output: Tensor) -> int:
    """Weights `[out, height, width, in / groups]`: every output element meets one filter."""
    return output.elements * math.prod(_given(inputs, 1).shape[1:])


def _depthwise(inputs: list[Tensor | None], output: Tensor) -> int:
    """Weights `[1, height, width, channels * multiplier]`: every output element meets one channel of a filter."""
    return output.elements * math.prod(_given(inputs, 1).shape[1:3])


def _conv_3d(inputs: list[Tensor | None], output: Tensor) -> int:
    """Weights `[depth, height, width, in, out]`."""
    return output.elements * math.prod(_given(inputs, 1).shape[:4])


def _transpose_conv(inputs: list[Tensor | None], output: Tensor) -> int:
    """Weights `[out, height, width, in]`: every input element is scattered by a filter, cropped borders included."""
    del output
    filters, values = _given(inputs, 1), _given(inputs, 2)
    return values.elements * math.prod(filters.shape[:3])


def _matmul(inputs: list[Tensor | None], output: Tensor) -> int:
    """Left operand `[..., rows, depth]`, or `[..., depth, rows]` when it is transposed on the fly."""
    left = _given(inputs, 0)
    # Where both readings fit, rows and depth are equal.
    depth = left.shape[-1] if left.shape[-2] == output.shape[-2] else left.shape[-2]
    return output.elements * depth


def _recurrent(matrices: tuple[int, ...]) -> Callable[[list[Tensor | None], Tensor], int]:
    """Input `[batch, time, in]` or `[time, batch, in]`: every step of time meets every weight matrix once."""

    def count(inputs: list[Tensor | None], output: Tensor) -> int:
        del output
        values = _given(inputs, 0)
        weights = [tensor.elements for index in matrices if index < len(inputs) and (tensor := inputs[index])]
        return values.elements // values.shape[-1] * sum(weights)

    return count


COUNTED: dict[str, Callable[[list[Tensor | None], Tensor], int]] = {
    "FULLY_CONNECTED": _dense,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "CONV_3D": _conv_3d,
    "TRANSPOSE_CONV": _transpose_conv,
    "BATCH_MATMUL": _matmul,
    "UNIDIRECTIONAL_SEQUENCE_RNN": _recurrent((1, 2)),
    # Four input, four recurrent and one projection matrix; those left out do not count.
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _recurrent((*range(1, 9), 16)),
}

UNCOUNTED: dict[str, str] = {
    **dict.fromkeys(("WHILE", "IF", "CALL", "CALL_ONCE"), "how often its graphs run is known at run time only"),
    **dict.fromkeys(
        ("SVDF", "RNN", "LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN", "CONV_3D_TRANSPOSE"),
        "its multiply-accumulates are not worked out here",
    ),
    **dict.fromkeys(("STABLEHLO_CONVOLUTION", "STABLEHLO_DOT_GENERAL"), "its multiply-accumulates are not worked out"),
}
"""Operators that multiply, but not by a rule of `COUNTED`; a count without them would be too low."""


def macs(graph: Graph) -> int:
    """Multiply-accumulates of one invocation with the stored batch, 1 when the batch may vary.

    Raises:
        NotCounted: An operator multiplies in a way that its shapes do not tell.
    """
    total = 0
    for operator in graph.operators:
        if operator.custom:
            raise NotCounted(f"{operator.name} is a custom operator; what it computes is not known here")
        if operator.name in UNCOUNTED:
            raise NotCounted(f"{operator.name}: {UNCOUNTED[operator.name]}")
        if operator.name in COUNTED:
            total += _count(operator, graph)
    return total


def _count(operator: Operator, graph: Graph) -> int:
    inputs = [graph.tensors[index] if index >= 0 else None for index in operator.inputs]
    output = graph.tensors[operator.outputs[0]]
    if output.dynamic or any(tensor is not None and tensor.dynamic for tensor in inputs):
        raise NotCounted(f"{operator.name} has a tensor whose shape is known at run time only")
    return COUNTED[operator.name](inputs, output)


def _given(inputs: list[Tensor | None], position: int) -> Tensor:
    tensor = inputs[position] if position < len(inputs) else None
    if tensor is None:
        raise NotCounted(f"an operator must have an input at position {position}, but the file leaves it out")
    return tensor

"""Which operator of a quantized file computes what an operator of the float32 file computes.

Both files come from one converter and one model, so that the same operators stand in the same order, but for the
conversions between types. Where a precision changes the graph itself (loops that are written out), names decide.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from compression.flatbuffer import Graph, Operator

_CASTS = frozenset({"QUANTIZE", "DEQUANTIZE", "DENSIFY", "FAKE_QUANT"})


@dataclass(frozen=True)
class Pair:
    """An operator, its counterpart in the float32 file, and the graphs that they stand in."""

    graph: Graph
    operator: Operator
    float_graph: Graph
    counterpart: Operator


def pairs(graphs: list[Graph], float_graphs: list[Graph]) -> list[list[Pair]]:
    """The pairs of every graph of a file in the order of execution; operators without a counterpart are left out.

    Args:
        graphs: The graphs of the finished file.
        float_graphs: Those of the float32 file.
    """
    return [
        list(_paired(graph, float_graphs[number])) if number < len(float_graphs) else []
        for number, graph in enumerate(graphs)
    ]


def _paired(graph: Graph, float_graph: Graph) -> Iterator[Pair]:
    ours, theirs = _computing(graph), _computing(float_graph)
    if [operator.name for operator in ours] == [operator.name for operator in theirs]:
        for operator, counterpart in zip(ours, theirs, strict=True):
            if _shape(graph, operator) == _shape(float_graph, counterpart):
                yield Pair(graph, operator, float_graph, counterpart)
        return
    named = {(operator.name, _name(float_graph, operator)): operator for operator in theirs}
    for operator in ours:
        found = named.get((operator.name, _name(graph, operator)))
        if found is not None and _shape(graph, operator) == _shape(float_graph, found):
            yield Pair(graph, operator, float_graph, found)


def _computing(graph: Graph) -> list[Operator]:
    return [operator for operator in graph.operators if operator.name not in _CASTS and operator.outputs]


def _name(graph: Graph, operator: Operator) -> str:
    return graph.tensors[operator.outputs[0]].name


def _shape(graph: Graph, operator: Operator) -> tuple[int, ...]:
    return graph.tensors[operator.outputs[0]].shape


def constant_behind(index: int, graph: Graph) -> int:
    """The tensor that an operand was made from by conversions alone: itself, when it was made otherwise.

    Quantization-aware models keep float constants in their float32 file, quantized and dequantized on the way.
    """
    producers = {output: operator for operator in graph.operators for output in operator.outputs}
    while index in producers and producers[index].name in _CASTS:
        index = producers[index].inputs[0]
    return index

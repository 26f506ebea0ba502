"""How much memory the activations of a TFLite model need when those that never live together share their place."""

from dataclasses import dataclass

from compression.edge.graph import Graph

_ALIGNMENT_BYTES = 64
"""TFLite aligns every tensor so."""

_CONTROL_FLOW = frozenset({"WHILE", "IF", "CALL"})


class NotPlanned(ValueError):
    """A model whose memory does not stand in its shapes; the message says why."""


@dataclass(frozen=True)
class Plan:
    """Memory of the activations.

    Attributes:
        arena_bytes: Length of the arena that holds them all, by TFLite's own rule.
        tensor_bytes: Sum over all activations, as if none shared its place.
    """

    arena_bytes: int
    tensor_bytes: int


@dataclass(frozen=True)
class _Life:
    """A tensor's size and the first and last operator (by position) that need it."""

    size_bytes: int
    first: int
    last: int


def plan(graph: Graph) -> Plan:
    """Packs the activations greedily, as TFLite's `ArenaPlanner` does.

    Tensors that live all the time come first, then the largest; each goes into the smallest gap between those that
    live at the same time. Inputs, outputs and variables keep their place all through an invocation. What kernels
    need beside that (im2col, XNNPACK's workspace, the interpreter's own tables) is not in the file.

    Raises:
        NotPlanned: A shape is known at run time only, or control flow runs other graphs.
    """
    for operator in graph.operators:
        if operator.name in _CONTROL_FLOW:
            raise NotPlanned(f"{operator.name} runs graphs with memory of their own")
    lives = sorted(_lives(graph), key=lambda life: (life.first >= 0, -life.size_bytes, life.first))
    placed: list[tuple[int, _Life]] = []
    for life in lives:
        placed.append((_place(life, placed), life))
    return Plan(
        arena_bytes=max((offset + life.size_bytes for offset, life in placed), default=0),
        tensor_bytes=sum(life.size_bytes for life in lives),
    )


def _lives(graph: Graph) -> list[_Life]:
    end = len(graph.operators)
    whole = {*graph.inputs, *graph.outputs}
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for position, operator in enumerate(graph.operators):
        for index in (*operator.outputs, *operator.inputs):
            first.setdefault(index, position)
            last[index] = position
    lives = []
    for index, tensor in enumerate(graph.tensors):
        if tensor.constant or (index not in first and index not in whole):
            continue
        if tensor.size_bytes is None:
            raise NotPlanned(f"the size of tensor {tensor.name!r} ({tensor.dtype}) is known at run time only")
        if index in graph.inputs or tensor.variable:
            lives.append(_Life(tensor.size_bytes, -1, end))
        else:
            lives.append(_Life(tensor.size_bytes, first.get(index, 0), end if index in whole else last[index]))
    return lives


def _place(life: _Life, placed: list[tuple[int, _Life]]) -> int:
    """Offset of the smallest gap that fits, else behind everything that lives at the same time."""
    together = sorted(
        ((offset, other) for offset, other in placed if other.first <= life.last and life.first <= other.last),
        key=lambda entry: entry[0],
    )
    free, best, smallest = 0, None, None
    for offset, other in together:
        gap = offset - free
        if gap >= life.size_bytes and (smallest is None or gap < smallest):
            best, smallest = free, gap
        free = max(free, _aligned(offset + other.size_bytes))
    return free if best is None else best


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES

"""Which layer the error of a quantized file comes from, by the errors that its conversion measured."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_STANDS_OUT = 0.5
"""Share of the error that layers add, in squares, from which on one of them is held to be the cause."""

_NOTICEABLE = 0.02
"""Errors below are those of every sound file: 8-bit networks of a few layers had at most 0.02 at their end."""


@dataclass(frozen=True)
class WorstLayer:
    """The layer that adds most to the error of a file.

    Attributes:
        name: The layer.
        output: Relative root mean square error of its output.
        before: The largest such error among what it reads.
    """

    name: str
    output: float
    before: float

    def __str__(self) -> str:
        shares = f"{self.output:.1%} of its output, {self.before:.1%} of what it reads"
        return f"Most of the error comes in at layer {self.name}: {shares}"


def worst_layer(rows: Iterable[Mapping[str, Any]]) -> WorstLayer | None:
    """The layer that adds more error than all others together; `None` when none does, or nothing was measured.

    Independent errors add up in squares, so that what a layer adds is the growth of the square.

    Args:
        rows: The layers of a variant in `details.json`.
    """
    added: dict[str, tuple[float, WorstLayer]] = {}
    for row in rows:
        output, before = row["error"]["output"], row["error"]["before"]
        # Several tensors of one layer tell the same output.
        name = row["kernels"][0].rpartition("/")[0] if row["kernels"] else None
        if name is not None and output is not None and before is not None:
            growth = max(0.0, output**2 - before**2)
            if growth >= added.get(name, (0.0, None))[0]:
                added[name] = growth, WorstLayer(name, output, before)
    total = sum(growth for growth, _ in added.values())
    largest, worst = max(added.values(), key=lambda pair: pair[0], default=(0.0, None))
    noticeable = math.sqrt(largest) >= _NOTICEABLE
    return worst if noticeable and largest > _STANDS_OUT * total else None

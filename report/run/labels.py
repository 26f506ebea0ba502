"""Where the names of points stand, so that they do not lie on each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log
from typing import Any

# A plot on a desktop screen; on others names lie a little nearer or farther, which is no harm.
_WIDTH = 820.0
_CHARACTER, _LINE = 6.6, 15.0
_PLACES = (
    (11, 0, "left"),
    (0, -15, "center"),
    (-11, 0, "right"),
    (0, 17, "center"),
    (11, -14, "left"),
    (11, 14, "left"),
)

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Range:
    """What an axis shows.

    Attributes:
        low: At its beginning.
        high: At its end.
        logarithmic: Whether equal ways are equal ratios.
    """

    low: float
    high: float
    logarithmic: bool = False

    def position(self, value: float) -> float:
        """Where a value stands, 0 at the beginning and 1 at the end."""
        low, high = self.low, self.high
        if self.logarithmic:
            value, low, high = log(value), log(low), log(high)
        return (value - low) / (high - low)


Corner = tuple[float, float]


def place(rows: Sequence[dict[str, Any]], lines: Sequence[Corner], across: Range, up: Range, height: float) -> None:
    """Adds `dx`, `dy` and `align` to each row with `name`, `x` and `y`; the place with the freest view wins.

    Args:
        rows: Points; later ones give way to earlier ones.
        lines: Corners of a line that goes upright or level from one to the next, which names keep clear of.
        across: The horizontal axis.
        up: The vertical axis.
        height: Of the plot, in pixels.
    """

    def pixels(x: float, y: float) -> Corner:
        return across.position(x) * _WIDTH, (1 - up.position(y)) * height

    centres = [pixels(row["x"], row["y"]) for row in rows]
    taken: list[Box] = [(x - 7, y - 7, x + 7, y + 7) for x, y in centres]
    taken += [_around(pixels(*start), pixels(*end)) for start, end in pairwise(lines)]
    for row, (x, y) in zip(rows, centres, strict=True):
        wide = len(row["name"]) * _CHARACTER
        boxes = [(_box(x + dx, y + dy, wide, align), (dx, dy, align)) for dx, dy, align in _PLACES]
        box, (row["dx"], row["dy"], row["align"]) = min(boxes, key=lambda found: _cost(found[0], taken, height))
        taken.append(box)


def _around(start: Corner, end: Corner) -> Box:
    return min(start[0], end[0]) - 1, min(start[1], end[1]) - 1, max(start[0], end[0]) + 1, max(start[1], end[1]) + 1


def _box(x: float, y: float, wide: float, align: str) -> Box:
    left = {"left": x, "center": x - wide / 2, "right": x - wide}[align]
    return (left, y - _LINE / 2, left + wide, y + _LINE / 2)


def _cost(box: Box, taken: Sequence[Box], height: float) -> float:
    """The area that it shares with others, and that lies outside of the plot."""
    inside = _shared(box, (0.0, 0.0, _WIDTH, height))
    outside = (box[2] - box[0]) * (box[3] - box[1]) - inside
    return outside * 4 + sum(_shared(box, other) for other in taken)


def _shared(one: Box, other: Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, high)

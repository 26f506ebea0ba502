"""The space of a search: finite lists of values, one per hyper-parameter."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from compression.errors import CompressionError

Value = bool | int | float | str
Point = dict[str, Value]

_ADVICE = "return for example {'filters': [16, 8, 24], 'kernel_size': [3, 5]}"


@dataclass(frozen=True)
class Space:
    """All combinations of the values of some hyper-parameters.

    Attributes:
        values: The values of every hyper-parameter, all different and of one type; the first is its default.
    """

    values: Mapping[str, tuple[Value, ...]]

    @property
    def size(self) -> int:
        """Number of points, at least 1."""
        return math.prod(len(values) for values in self.values.values())

    def point(self, index: int) -> Point:
        """The point at a place of the grid, in which the last hyper-parameter varies fastest.

        Args:
            index: From 0, where every hyper-parameter has its first value, to `size - 1`.

        >>> Space({"filters": (16, 8), "kernel_size": (3, 5)}).point(1)
        {'filters': 16, 'kernel_size': 5}
        """
        chosen: Point = {}
        for name, values in reversed(list(self.values.items())):
            index, place = divmod(index, len(values))
            chosen[name] = values[place]
        return {name: chosen[name] for name in self.values}

    def extremes(self) -> list[Point]:
        """The default point, and for each hyper-parameter the points that differ from it in an extreme value alone.

        Extreme are the smallest and the largest number, and every word. There are fewer of these than values.
        """
        default = self.point(0)
        points = [default]
        for name, values in self.values.items():
            numbers = _numbers(values)
            wanted = {min(numbers), max(numbers)} if numbers else set(values)
            points += [default | {name: value} for value in values if value in wanted and value != default[name]]
        return points

    def vector(self, point: Mapping[str, Value]) -> list[float]:
        """A point as coordinates in [0, 1]: the rank of a number, one axis per word."""
        coordinates: list[float] = []
        for name, values in self.values.items():
            value = point[name]
            if isinstance(value, str):
                coordinates += [float(value == other) for other in values]
            else:
                below = [number for number in _numbers(values) if number < value]
                coordinates.append(len(below) / max(1, len(values) - 1))
        return coordinates


def make_space(declared: object, fixed: Collection[str], source: str = "search_space") -> Space:
    """The space that a model module declares, without what the configuration fixes.

    Args:
        declared: What `search_space()` returned: a dict from names to lists of values. Lists that hold a float
            become floats, so that `[0, 0.2]` is a list of numbers of one type.
        fixed: Hyper-parameters that have a value already.
        source: Who declared it, for messages.

    Raises:
        CompressionError: It is no such dict, or nothing is left to search.
    """
    if not isinstance(declared, dict) or not declared:
        got = "an empty dict" if isinstance(declared, dict) else type(declared).__name__
        raise CompressionError(f"{source} must return a dict from hyper-parameters to values, got {got}; {_ADVICE}")
    space = {name: _values(name, values, source) for name, values in declared.items()}
    free = {name: values for name, values in space.items() if name not in fixed}
    if not any(len(values) > 1 for values in free.values()):
        names = ", ".join(map(str, space))
        raise CompressionError(
            f"{source} must leave a hyper-parameter with several values to search, but model.hparams and lists of one "
            f"value fix all of {names}; remove one from model.hparams, or remove model.search"
        )
    return Space(free)


def describe(point: Mapping[str, Value]) -> str:
    """A point in words.

    >>> describe({"filters": 16, "kernel_size": 3})
    'filters 16, kernel_size 3'
    """
    return ", ".join(f"{name} {value}" for name, value in point.items())


def _numbers(values: tuple[Value, ...]) -> list[float]:
    """The values when they are numbers or truth values, which have an order; empty for words."""
    return [value for value in values if not isinstance(value, str)]


def _values(name: object, values: object, source: str) -> tuple[Value, ...]:
    if not isinstance(name, str):
        raise CompressionError(f"{source} must name hyper-parameters by strings, got {name!r}; {_ADVICE}")
    if not isinstance(values, list | tuple) or not values:
        raise CompressionError(f"{source} must list at least one value for {name}, got {values!r}; {_ADVICE}")
    kinds = {type(value) for value in values}
    if kinds == {int, float}:
        values, kinds = [float(value) for value in values], {float}
    if len(kinds) > 1 or not kinds <= {bool, int, float, str}:
        found = ", ".join(sorted(kind.__name__ for kind in kinds))
        raise CompressionError(
            f"{source} must list values of one type for {name}, bool, int, float or str, got {found}; give every "
            "choice a name, and let build_model translate it"
        )
    if any(isinstance(value, float) and not math.isfinite(value) for value in values):
        raise CompressionError(f"{source} must list finite numbers for {name}, got {list(values)}; remove the others")
    if len(set(values)) < len(values):
        raise CompressionError(f"{source} must list every value of {name} once, got {list(values)}; remove repeats")
    return tuple(values)

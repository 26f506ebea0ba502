"""Choosing layers by name or pattern."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TypeVar

from compression.errors import CompressionError

Value = TypeVar("Value")


def match_layers(patterns: Iterable[str], names: Sequence[str], *, key: str = "skip") -> set[str]:
    """The names that at least one pattern matches.

    Args:
        patterns: Names, or shell patterns such as `conv_*`; case matters.
        names: Names to choose from.
        key: The setting that holds the patterns, for messages.

    Raises:
        CompressionError: When a pattern matches nothing: a misspelt name would silently compress the layer that it
            was meant to spare.

    >>> sorted(match_layers(["conv_*"], ["conv_1", "conv_2", "digit"]))
    ['conv_1', 'conv_2']
    """
    matched: set[str] = set()
    for pattern in patterns:
        hits = {name for name in names if fnmatchcase(name, pattern)}
        if not hits:
            near = get_close_matches(pattern, names, n=3, cutoff=0.4) or list(names)
            raise CompressionError(
                f"every entry of `{key}` must match a layer, but {pattern!r} matches none; "
                f"use one of: {', '.join(near[:10])}"
            )
        matched |= hits
    return matched


def first_match(table: Mapping[str, Value], names: Sequence[str], *, key: str) -> dict[str, Value]:
    """The value of the first pattern that matches each name; names that none matches are left out.

    Args:
        table: Values by name or pattern; the order counts.
        names: Names to look up.
        key: The setting that holds the table, for messages.

    Raises:
        CompressionError: When a pattern matches nothing.

    >>> first_match({"conv_1": 0.5, "conv_*": 0.9}, ["conv_1", "conv_2", "digit"], key="layers")
    {'conv_1': 0.5, 'conv_2': 0.9}
    """
    match_layers(table, names, key=key)
    found = {
        name: next((value for pattern, value in table.items() if fnmatchcase(name, pattern)), None) for name in names
    }
    return {name: value for name, value in found.items() if value is not None}

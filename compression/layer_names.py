"""Choosing layers by name or pattern."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from compression.errors import CompressionError


def match_layers(patterns: Iterable[str], names: Sequence[str], *, key: str = "skip") -> set[str]:
    """The names that at least one pattern matches.

    Args:
        patterns: Names, or shell patterns such as `conv_*`; case matters.
        names: Names to choose from.
        key: The setting that holds the patterns, for the message.

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

"""Which examples of a batch belong to which slice, by masks over whole columns."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from components.errors import InputError
from components.evaluate.spec import SliceRule

SliceKey = tuple[tuple[str, str | int | float], ...]
"""Names and values, sorted by name, as in TFMA; `()` is the overall slice."""

MAX_SLICES = 1000
"""Slices that one rule may make: beyond that a column is an identifier rather than a group."""


def members(
    columns: Mapping[str, np.ndarray], size: int, rules: Sequence[SliceRule]
) -> Iterator[tuple[SliceKey, np.ndarray]]:
    """Every slice of a batch with the rows that belong to it; a slice that several rules make comes once.

    Args:
        columns: Values `[size]` by name; bytes are text. A missing value, NaN or empty bytes, belongs to no slice.
        size: Examples in the batch.
        rules: What makes a slice; the overall slice is the one without columns.
    """
    seen = set()
    for rule in rules:
        for key, rows in _members(columns, size, rule):
            if key not in seen:
                seen.add(key)
                yield key, rows


def _members(columns: Mapping[str, np.ndarray], size: int, rule: SliceRule) -> Iterator[tuple[SliceKey, np.ndarray]]:
    rows = np.arange(size)
    for name, value in rule.values.items():
        rows = rows[columns[name][rows] == _typed(columns[name], value)]
    key = tuple((name, _plain(_typed(columns[name], value))) for name, value in rule.values.items())
    groups: list[tuple[SliceKey, np.ndarray]] = [(key, rows)]
    for name in rule.features:
        groups = [
            ((*key, (name, value)), part) for key, rows in groups for value, part in _by_value(columns[name], rows)
        ]
    if len(groups) > MAX_SLICES:
        raise InputError(
            f"a slice must be a group of examples, but {', '.join(rule.columns)} makes {len(groups)} slices of one "
            f"batch of {size}; name the values that matter, or a coarser column"
        )
    yield from ((tuple(sorted(key)), part) for key, part in groups if len(part) or rule.values)


def _by_value(column: np.ndarray, rows: np.ndarray) -> Iterator[tuple[str | int | float, np.ndarray]]:
    values, codes = np.unique(column[rows], return_inverse=True)
    for code, value in enumerate(values):
        if not _missing(value):
            yield _plain(value), rows[codes == code]


def _typed(column: np.ndarray, value: str | float) -> bytes | float:
    """A value of the configuration as the column holds it."""
    if column.dtype.kind in "SO":
        return str(value).encode()
    try:
        return float(value)
    except ValueError as error:
        raise InputError(f"a slice's value must be a number where its column holds numbers, got {value!r}") from error


def _missing(value: object) -> bool:
    return value == b"" or value != value


def _plain(value: object) -> str | int | float:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    plain = value.item() if isinstance(value, np.generic) else value
    # A sparse column of whole numbers is read as floats, so that NaN can mark what is missing.
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain

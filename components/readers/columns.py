"""Columns of tables: what type they have, and one example for every row."""

from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from components.ingest_spec import IngestSpec
from components.readers.features import record
from components.readers.unreadable import UnreadableFile

TYPES = {"int": pa.int64(), "float": pa.float64(), "string": pa.string()}
"""From the narrowest: every text that is an `int` is a `float` too."""

ABSENT = pa.array(["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"])
"""What stands for no number. In a column of texts only the empty cell does: `NA` may be Namibia."""


def wider(first: str, second: str) -> str:
    """The type that holds the values of both."""
    order = list(TYPES)
    return order[max(order.index(first), order.index(second))]


def type_of(texts: pa.Array) -> str:
    """The narrowest type that holds all of these texts; `int` when all are absent."""
    for name in ("int", "float"):
        try:
            to_type(texts, name)
        except pa.ArrowInvalid:
            continue
        return name
    return "string"


def to_type(texts: pa.Array, name: str) -> pa.Array:
    """Texts as values of a type; absent ones are null.

    Raises:
        pyarrow.ArrowInvalid: A text is no value of this type.
    """
    if name == "string":
        return pc.if_else(pc.equal(texts, ""), None, texts)
    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.is_in(trimmed, ABSENT), None, trimmed).cast(TYPES[name])


def typed(column: str, texts: pa.Array, name: str, first_row: int) -> pa.Array:
    """`to_type`, with an error that names the first row that does not fit.

    Args:
        column: Its name.
        texts: `[rows]`.
        name: A key of `TYPES`.
        first_row: Number of the first of these rows among all of the file, counted from 1.
    """
    try:
        return to_type(texts, name)
    except pa.ArrowInvalid:
        for position in range(len(texts)):
            try:
                to_type(texts.slice(position, 1), name)
            except pa.ArrowInvalid:
                raise UnreadableFile(
                    f"column {column} must hold {name} values, but row {first_row + position} has "
                    f"{texts[position].as_py()!r}; correct it, or declare another type in data.columns"
                ) from None
        raise


def records(columns: Mapping[str, pa.Array], spec: IngestSpec, first_row: int) -> Iterator[bytes]:
    """One serialized example for every row, absent values filled or left out, names of classes replaced by numbers."""
    values = {name: array.to_pylist() for name, array in columns.items() if name not in spec.table.ignore}
    for feature, classes in spec.classes.items():
        if feature in values and pa.types.is_string(columns[feature].type):
            values[feature] = _numbered(feature, values[feature], classes, first_row)
    for feature, filler in spec.table.fill.items():
        if feature in values:
            values[feature] = [filler if value is None else value for value in values[feature]]
    for row in zip(*values.values(), strict=True):
        yield record(dict(zip(values, row, strict=True)))


def _numbered(feature: str, names: list[str | None], classes: tuple[str, ...], first_row: int) -> list[int | None]:
    numbers = {name: number for number, name in enumerate(classes)}
    for position, name in enumerate(names):
        if name is not None and name not in numbers:
            raise UnreadableFile(
                f"{feature} must be one of data.label_names ({', '.join(classes)}), but row {first_row + position} has "
                f"{name!r}"
            )
    return [None if name is None else numbers[name] for name in names]


def check_columns(held: list[str], spec: IngestSpec) -> None:
    """Refuses a table without a column that the configuration names, and one with a name twice.

    Raises:
        UnreadableFile: See above.
    """
    twice = sorted({name for name in held if held.count(name) > 1})
    if twice:
        raise UnreadableFile(f"columns must have different names, but {', '.join(twice)} stands there more than once")
    wanted = dict.fromkeys((*spec.targets, *spec.table.types, *spec.table.fill, *filter(None, (spec.group_by,))))
    missing = [name for name in wanted if name not in held]
    if missing:
        raise UnreadableFile(f"it must have the column {', '.join(missing)}; it has {', '.join(held)}")

"""Labels, tasks, predictions and metrics by output.

What belongs to the only output of a model stands under `SOLE` and needs no name; what belongs to one of several stands
under its name, which is that of the layer that makes it. So one way of looking things up serves both. Needs nothing
but Python.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

SOLE = ""

T = TypeVar("T")


def by_output(value: T | Mapping[str, T]) -> dict[str, T]:
    """What was given once for the only output, or in a mapping for several, as a mapping.

    >>> by_output("binary"), by_output({"digit": "multiclass", "parity": "binary"})
    ({'': 'binary'}, {'digit': 'multiclass', 'parity': 'binary'})
    """
    return dict(value) if isinstance(value, Mapping) else {SOLE: value}


def packed(values: Mapping[str, T]) -> T | dict[str, T]:
    """The inverse of `by_output`.

    >>> packed({"": "binary"}), packed({"digit": "multiclass", "parity": "binary"})
    ('binary', {'digit': 'multiclass', 'parity': 'binary'})
    """
    return values[SOLE] if SOLE in values else dict(values)


def keys(names: Sequence[str]) -> list[str]:
    """Where outputs of these names are looked up.

    >>> keys(["digit"]), keys(["digit", "parity"])
    ([''], ['digit', 'parity'])
    """
    return [SOLE] if len(names) == 1 else list(names)


def of_output(output: str, name: str) -> str:
    """A metric of an output as one word.

    >>> of_output("digit", "accuracy"), of_output("", "accuracy")
    ('digit/accuracy', 'accuracy')
    """
    return f"{output}/{name}" if output else name


def parted(name: str) -> tuple[str, str]:
    """The inverse of `of_output`.

    >>> parted("digit/accuracy"), parted("accuracy")
    (('digit', 'accuracy'), ('', 'accuracy'))
    """
    output, _, plain = name.rpartition("/")
    return output, plain

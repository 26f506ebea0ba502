"""An input or output as the snippets of all languages see it."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.card.text import one_line

_RESERVED = """
answer arena break case catch class const context default do else enum false for func fun if import in inputs int
interpreter is let list long match model none not null object or outputs pairs pass print resolver return self short
static struct super switch this throw true try type val var void when while with x yield
"""
"""What a variable must not be called: key words of Python, Kotlin, Swift and C++, and what the snippets use."""


@dataclass(frozen=True)
class Port:
    """An input or output.

    Attributes:
        name: The signature's name.
        variable: The name of a variable in all languages.
        index: Its place in the interpreter.
        dtype: NumPy's name.
        shape: Of one example, with batch 1.
        scale: Quantization step; 0.0 for a tensor that is not quantized.
        zero_point: The integer that stands for 0.0.
    """

    name: str
    variable: str
    index: int
    dtype: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int

    @property
    def elements(self) -> int:
        """How many numbers one example has."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def words(self) -> str:
        """Name, type and shape in one line, for a comment."""
        return f"{one_line(self.name)}: {self.dtype} {'x'.join(map(str, self.shape)) or 'scalar'}"

    @property
    def limits(self) -> tuple[int, int]:
        """Least and largest value of an integer type."""
        bits = int(self.dtype.removeprefix("u").removeprefix("int"))
        return (0, 2**bits - 1) if self.dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def make_ports(
    described: Iterable[Mapping[str, Any]], order: Sequence[str], taken: Collection[str] = ()
) -> tuple[Port, ...]:
    """The inputs or outputs of a file in its own order.

    Args:
        described: `{name, shape, dtype, scale, zero_point}` each, as in the manifest.
        order: Their names in the file's order.
        taken: Names of variables that are in use.
    """
    by_name = {entry["name"]: entry for entry in described}
    used, made = set(taken), []
    for index, name in enumerate(order):
        entry = by_name[name]
        variable = _variable(name, used)
        used.add(variable)
        # An example at a time, whatever stands for the batch.
        shape = (1, *(int(size) for size in entry["shape"][1:])) if entry["shape"] else ()
        numbers = float(entry["scale"]), int(entry["zero_point"])
        made.append(Port(name, variable, index, entry["dtype"], shape, *numbers))
    return tuple(made)


def _variable(name: str, used: Collection[str]) -> str:
    word = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "tensor"
    word = word if word[0].isalpha() else f"t_{word}"
    word = f"{word}_" if word in _RESERVED.split() else word
    plain, count = word, 1
    while word in used:
        count += 1
        word = f"{plain}_{count}"
    return word

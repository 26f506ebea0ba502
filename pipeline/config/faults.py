"""What is wrong with a configuration file, in one message grammar.

Every fault reads `FILE:LINE: key.path: what must hold; got X; what to do`.
"""

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pipeline.errors import UserError

KeyPath = tuple[str | int, ...]
"""Keys and list positions from the root of the file to a value."""

SHOWN_AT_MOST = 50
_GOT_LENGTH = 60


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        path: Where; relative to the section while a section checks itself, absolute afterwards.
        must: What must hold, starting with "must".
        got: What was given, as `show` writes it.
        advice: What to do about it, when there is something to say.
        line: Line in the file, when it is not the line of `path`.
    """

    path: KeyPath
    must: str
    got: str
    advice: str | None = None
    line: int | None = None

    def under(self, prefix: KeyPath) -> "Fault":
        """The same fault seen from further up."""
        return replace(self, path=prefix + self.path)

    def __str__(self) -> str:
        place = f"{show_path(self.path)}: " if self.path else ""
        return place + "; ".join(part for part in (self.must, f"got {self.got}", self.advice) if part)


class SectionError(ValueError):
    """Raised by a section's own cross-field rules; pydantic hands it through with its faults."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = faults


def show(value: object) -> str:
    """A value as the user could have written it, shortened.

    >>> show("3"), show(None), show(True), show([1, 2])
    ('"3"', 'null', 'true', '[1, 2]')
    """
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _GOT_LENGTH else text[: _GOT_LENGTH - 4] + " ..."


def show_path(path: KeyPath) -> str:
    """A key path as people write it.

    >>> show_path(("variants", "int8", 0, "quantize", "mode"))
    'variants.int8[0].quantize.mode'
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(given: object, allowed: Iterable[str]) -> str | None:
    """Advice that names the allowed word nearest to `given`, if one is near.

    >>> nearest("epoch", ["batch_size", "epochs"])
    'did you mean epochs?'
    """
    by_lower = {word.lower(): word for word in allowed}
    found = difflib.get_close_matches(str(given).lower(), by_lower, n=1)
    return f"did you mean {by_lower[found[0]]}?" if found else None


def unknown_key(path: KeyPath, allowed: Iterable[str]) -> Fault:
    """The fault of a key that nothing reads."""
    names = list(allowed)
    return Fault(path, f"must be one of {', '.join(names)}", f"the unknown key {path[-1]}", nearest(path[-1], names))


def line_of(path: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    """The line of a key, or of the nearest key above it that the file holds."""
    for length in range(len(path), -1, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return 1


def report(file: str, faults: Iterable[Fault], lines: Mapping[KeyPath, int]) -> UserError:
    """All faults as one error, sorted by line."""
    placed = [(fault.line or line_of(fault.path, lines), fault) for fault in faults]
    placed.sort(key=lambda pair: pair[0])
    texts = list(dict.fromkeys(f"{file}:{line}: {fault}" for line, fault in placed))
    if len(texts) > SHOWN_AT_MOST:
        texts[SHOWN_AT_MOST:] = [f"... and {len(texts) - SHOWN_AT_MOST} more faults"]
    return UserError("\n".join(texts))

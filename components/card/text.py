"""Markdown that holds text of others: whatever stands in a name or a description is shown, never obeyed."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

_MARKS = re.compile(r"([\\`*_\[\]{}|~^$@])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# What makes a heading, a list, a quotation or a rule, at the beginning of a line alone.
_LINE_START = re.compile(r"^([\s\d]*)([#+\-=:.)])")
# What some readers turn into links without being asked.
_LINK_START = re.compile(r"(?i)(://|\bwww\.)")


def plain(value: object) -> str:
    """Any value as text in one line that Markdown and HTML show as it is, wherever it stands.

    >>> plain("# <i>")
    '&#35; &lt;i&gt;'
    """
    return _LINE_START.sub(lambda match: f"{match[1]}&#{ord(match[2])};", inline(value))


def inline(value: object) -> str:
    """The same for text that begins no line."""
    text = " ".join(_visible(str(value)).split())
    text = re.sub("[&<>]", lambda match: _ENTITIES[match[0]], _MARKS.sub(r"\\\1", text))
    return _LINK_START.sub(lambda match: match[0].replace(":", "\\:").replace(".", "\\."), text)


def paragraphs(text: str) -> str:
    """Text with its paragraphs, which empty lines part."""
    parts = re.split(r"\n\s*\n", text.replace("\r\n", "\n"))
    return "\n\n".join(plain(part) for part in parts if part.strip())


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; the cells hold text of others, the head is ours."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(inline(cell) or '-' for cell in row)} |" for row in rows)])


def fenced(language: str, code: str) -> str:
    """A block of code, in a fence that is longer than any in it."""
    longest = max((len(run) for run in re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code.rstrip()}\n{fence}"


def one_line(text: str) -> str:
    """Text for a comment in code: printable ASCII in one line, everything else as `?`."""
    return "".join(char if " " <= char <= "~" else "?" for char in " ".join(text.split()))


def _visible(text: str) -> str:
    """Without what is not seen: controls, and marks that turn the direction of the text around."""
    return "".join(" " if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char for char in text)

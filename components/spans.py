"""Spans: numbered batches of data that one path with placeholders names, and the window of them that a run reads.

The placeholders are those of TFX: `{SPAN}` is a number, `{SPAN:3}` one that is padded with zeros to three digits,
`{YYYY}`, `{MM}` and `{DD}` are a date that stands for a span, `{VERSION}` counts the deliveries of one span. Needs no
TensorFlow.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from components.places import Place, RemotePath, Unreachable
from registry.storage import is_uri

NUMBERS = ("SPAN", "VERSION")
DATE = ("YYYY", "MM", "DD")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_DATE_DIGITS = {"YYYY": 4, "MM": 2, "DD": 2}
_MOST_MISSING = 1000


class PatternError(ValueError):
    """A path whose placeholders make no sense; the message says what must hold and what was given."""


class SpanError(ValueError):
    """Data whose names make no sense, such as two folders for one span; shown without a traceback.

    Attributes:
        must: What must hold, starting with "must".
        got: What was found.
        advice: What to do about it.
    """

    def __init__(self, must: str, got: str, advice: str) -> None:
        super().__init__(f"data.path: {must}; got {got}; {advice}")
        self.must, self.got, self.advice = must, got, advice


@dataclass(frozen=True)
class Delivery:
    """One version of one span.

    Attributes:
        span: Its number; a date as `YYYYMMDD`.
        version: Its version; `None` where the path has no `{VERSION}`.
        path: The folder or file.
    """

    span: int
    version: int | None
    path: Place


@dataclass(frozen=True)
class Window:
    """The spans that a run reads, each in its newest version, oldest first.

    Attributes:
        deliveries: One for each span.
        missing: Spans between the oldest and the newest that are not there.
        superseded: Older versions of the spans.
        empty: Folders without data: spans that nobody has delivered yet.
    """

    deliveries: tuple[Delivery, ...]
    missing: tuple[int, ...] = ()
    superseded: tuple[Delivery, ...] = ()
    empty: tuple[Place, ...] = ()

    @property
    def newest(self) -> int:
        """Number of the newest span."""
        return self.deliveries[-1].span


@dataclass(frozen=True)
class Pattern:
    """A path with placeholders.

    Attributes:
        text: As the configuration has it.
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> "Pattern | None":
        """The pattern of a path; `None` for a path without placeholders.

        Raises:
            PatternError: Its placeholders make no sense.
        """
        if "{" not in text and "}" not in text:
            return None
        pattern = cls(text)
        pattern._check()
        return pattern

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The placeholders without their widths."""
        return tuple(found.partition(":")[0] for found in _PLACEHOLDER.findall(self.text))

    @property
    def dated(self) -> bool:
        """Whether dates stand for spans."""
        return "YYYY" in self.names

    def name_of(self, span: int) -> str:
        """A span as people write it: `7`, or `2026-11-25`."""
        return _day(span).isoformat() if self.dated else str(span)

    def deliveries(self) -> list[Delivery]:
        """All that is there, sorted by span and version.

        Raises:
            SpanError: Two names stand for the same version of the same span, a name is no date, or the store that
                holds them does not answer.
        """
        found: dict[tuple[int, int | None], Delivery] = {}
        base, parts = _start(self.text)
        for path, values in _walk(base, parts, {}):
            version = int(values["VERSION"]) if "VERSION" in values else None
            delivery = Delivery(self._span(values, path), version, path)
            other = found.setdefault((delivery.span, version), delivery)
            if other is not delivery:
                of_version = "" if version is None else f"version {version} of "
                raise SpanError(
                    f"must name one place for {of_version}span {self.name_of(delivery.span)}",
                    f"{other.path} and {path}",
                    "remove one of them, or hide it with a leading dot",
                )
        return sorted(found.values(), key=lambda delivery: (delivery.span, delivery.version or 0))

    def _span(self, values: Mapping[str, str], path: Place) -> int:
        if not self.dated:
            return int(values["SPAN"])
        number = int("".join(values[name] for name in DATE))
        try:
            _day(number)
        except ValueError as error:
            raise SpanError(
                "must name dates", f"{path} ({error})", "rename it, or hide it with a leading dot"
            ) from error
        return number

    def _check(self) -> None:
        rest = _PLACEHOLDER.sub("", self.text)
        if "{" in rest or "}" in rest:
            raise PatternError("must close every { with a }")
        for found in _PLACEHOLDER.findall(self.text):
            name, colon, width = found.partition(":")
            if name not in (*NUMBERS, *DATE):
                raise PatternError(f"must hold no placeholders but {', '.join(f'{{{n}}}' for n in (*NUMBERS, *DATE))}")
            if colon and (name in DATE or not re.fullmatch(r"[1-9]", width)):
                raise PatternError(f"must give a width from 1 to 9 for {{SPAN}} and {{VERSION}} alone, as {{{name}:3}}")
        if len(set(self.names)) < len(self.names):
            raise PatternError("must hold each placeholder once")
        dates = [name for name in DATE if name in self.names]
        if dates and len(dates) < len(DATE):
            raise PatternError("must hold all of {YYYY}, {MM} and {DD}, or none of them")
        if bool(dates) == ("SPAN" in self.names):
            raise PatternError("must hold {SPAN} or a date, and not both")


def _start(text: str) -> tuple[Place, tuple[str, ...]]:
    """Where a walk begins, and the parts of its way; on a store at the deepest folder above all placeholders."""
    if not is_uri(text):
        return Path(), Path(text).parts
    fixed, _, rest = text.partition("{")
    root, _, part = fixed.rpartition("/")
    try:
        return RemotePath.at(root), tuple(filter(None, f"{part}{{{rest}".split("/")))
    except Unreachable as error:
        raise unreachable(root, error) from error


def unreachable(uri: str, error: Unreachable) -> SpanError:
    """The error of data on a store that does not answer."""
    advice = "look at the address, the bucket and the credentials in the environment"
    return SpanError("must name a place that can be listed", f"{uri}, which gave: {error}", advice)


def _walk(base: Place, parts: tuple[str, ...], values: Mapping[str, str]) -> Iterator[tuple[Place, dict[str, str]]]:
    """Paths that fit, with what stands in the place of the placeholders."""
    if not parts:
        yield base, dict(values)
        return
    part, rest = parts[0], parts[1:]
    if "{" not in part:
        if (base / part).exists():
            yield from _walk(base / part, rest, values)
        return
    expression = _expression(part)
    entries: list[Place] = list(base.iterdir()) if base.is_dir() else []
    for entry in sorted(entries, key=lambda entry: entry.name):
        match = expression.fullmatch(entry.name)
        # Names that begin with a dot or an underscore are still being written, or notes.
        if match and entry.name[0] not in "._" and (not rest or entry.is_dir()):
            yield from _walk(entry, rest, {**values, **match.groupdict()})


def _expression(part: str) -> re.Pattern[str]:
    pieces = _PLACEHOLDER.split(part)
    made = []
    for position, piece in enumerate(pieces):
        if position % 2 == 0:
            made.append(re.escape(piece))
            continue
        name, _, width = piece.partition(":")
        digits = width or _DATE_DIGITS.get(name)
        made.append(rf"(?P<{name}>[0-9]{'+' if digits is None else f'{{{digits}}}'})")
    return re.compile("".join(made))


def _day(span: int) -> date:
    return date(span // 10000, span // 100 % 100, span % 100)


def window(pattern: Pattern, count: int | None, is_empty: Callable[[Place], bool]) -> Window:
    """The newest spans, each in its newest version that holds data.

    Args:
        pattern: Where they are.
        count: How many spans; `None`: all.
        is_empty: Whether a folder or file holds no data.

    Raises:
        SpanError: Names are ambiguous, or there is no span with data.
    """
    newest: dict[int, Delivery] = {}
    superseded, empty = [], []
    for delivery in pattern.deliveries():
        if is_empty(delivery.path):
            empty.append(delivery.path)
            continue
        if delivery.span in newest:
            superseded.append(newest[delivery.span])
        newest[delivery.span] = delivery
    if not newest:
        found = f"{', '.join(map(str, empty))} without data files" if empty else "no folder or file of such a name"
        advice = "put data there, or look at the placeholders"
        raise SpanError(f"must name at least one span that holds data, as {pattern.text}", found, advice)
    taken = tuple(newest.values())[-count if count else 0 :]
    spans = {delivery.span for delivery in taken}
    old = tuple(delivery for delivery in superseded if delivery.span in spans)
    return Window(taken, _missing(sorted(spans), pattern.dated), old, tuple(empty))


def _missing(spans: list[int], dated: bool) -> tuple[int, ...]:
    """Spans that should stand between those that are there; dates follow each other in their own rhythm."""
    days = [_day(span).toordinal() if dated else span for span in spans]
    gaps = [after - before for before, after in itertools.pairwise(days)]
    rhythm = min(gaps, default=1) if dated else 1
    absent = [
        before + rhythm * turn
        for before, gap in zip(days, gaps, strict=False)
        for turn in range(1, min(round(gap / rhythm), _MOST_MISSING))
    ]
    return tuple(int(date.fromordinal(day).strftime("%Y%m%d")) if dated else day for day in absent)

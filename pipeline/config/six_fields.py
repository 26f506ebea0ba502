"""Cron expressions of six fields, second first, as the scheduler of Kubeflow Pipelines reads them.

Its parser (github.com/robfig/cron, release 1.2.0) also takes what it then reads in its own way: a missing last field,
an empty item, `*-5`. Those are refused here; what is accepted here, it takes too (`make test-kfp` asks it).
"""

from dataclasses import dataclass

_DAYS = {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True)
class _Field:
    """One of the six: its name, its bounds (both included), and words for its numbers."""

    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTH_NAMES),
    _Field("day of week", 0, 6, _DAY_NAMES),
)


def fault_of(expression: str) -> str | None:
    """What is wrong with an expression, in a few words; `None`: nothing.

    >>> fault_of("0 30 2 * * mon-fri")
    >>> fault_of("30 2 * * *")
    'it has five fields; put the second in front: 0 30 2 * * *'
    >>> fault_of("0 0 24 * * *")
    'hour must be from 0 to 23, got 24'
    """
    parts = expression.split()
    if len(parts) == 5:
        return f"it has five fields; put the second in front: 0 {' '.join(parts)}"
    if len(parts) != 6:
        return f"it must have six fields (second, minute, hour, day of month, month, day of week), got {len(parts)}"
    try:
        values = [_values(field, text) for field, text in zip(_FIELDS, parts, strict=True)]
    except ValueError as error:
        return str(error)
    days, months, any_week_day = values[3], values[4], parts[5][0] in "*?"
    if any_week_day and min(days) > max(_DAYS[month] for month in months):
        return f"it never comes: no such month has a day {min(days)}"
    return None


def _values(field: _Field, text: str) -> set[int]:
    """The numbers that a field stands for.

    Raises:
        ValueError: Saying what is wrong.
    """
    found: set[int] = set()
    for item in text.split(","):
        span, _, step_text = item.partition("/")
        step = _number(step_text, field, item) if "/" in item else 1
        if step < 1:
            raise ValueError(f"{field.name} must have a step above 0, got {item}")
        first, dash, last = span.partition("-")
        if span in ("*", "?"):
            low, high = field.low, field.high
        else:
            low = _number(first, field, item)
            # As the scheduler has it: `5/10` goes on to the end.
            high = _number(last, field, item) if dash else field.high if "/" in item else low
        if low > high or not (field.low <= low and high <= field.high):
            raise ValueError(f"{field.name} must be from {field.low} to {field.high}, got {item}")
        found.update(range(low, high + 1, step))
    return found


def _number(text: str, field: _Field, item: str) -> int:
    word = text.lower()
    if word in field.words:
        return field.words.index(word) + field.low
    # Not isdigit alone: it holds for the digits of every script.
    if not (text.isascii() and text.isdigit()):
        kinds = "numbers, names such as " + field.words[0] if field.words else "numbers"
        raise ValueError(
            f"{field.name} must be made of {kinds}, *, ?, lists, ranges and steps, got {item or 'nothing'}"
        )
    return int(text)

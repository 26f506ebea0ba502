"""Numbers as people read them, the same on every page and on the terminal; absent ones are an en dash."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

ABSENT = "–"

_ABBREVIATIONS = ("auc", "f1", "rmse", "mae")


def heading(text: str) -> str:
    """Text as it begins a line: abbreviations keep their case, and short names of metrics become some.

    >>> heading("accuracy"), heading("rmse"), heading("area under the ROC curve"), heading("digit/auc")
    ('Accuracy', 'RMSE', 'Area under the ROC curve', 'digit/AUC')
    """
    output, _, name = text.rpartition("/")
    name = name.upper() if name in _ABBREVIATIONS else name
    return f"{output}/{name}" if output else name[:1].upper() + name[1:]


def metric(value: float | None) -> str:
    """A quality with four decimals.

    >>> metric(0.98961), metric(None)
    ('0.9896', '–')
    """
    return ABSENT if value is None else f"{value:.4f}"


def change(value: float | None) -> str:
    """A difference of qualities, with its sign.

    >>> change(0.00346), change(-0.0017), change(0.0)
    ('+0.0035', '−0.0017', '0.0000')
    """
    if value is None:
        return ABSENT
    text = f"{value:+.4f}"
    return text[1:] if float(text) == 0 else text.replace("-", "−")


def interval(bounds: tuple[float | None, float | None] | list[float | None] | None) -> str:
    """Two bounds of a difference.

    >>> interval([-0.0057, 0.0149]), interval([None, 0.0149])
    ('−0.0057 to +0.0149', 'up to +0.0149')
    """
    if bounds is None or (bounds[0] is None and bounds[1] is None):
        return ABSENT
    low, high = bounds
    if low is None:
        return f"up to {change(high)}"
    return f"from {change(low)}" if high is None else f"{change(low)} to {change(high)}"


def span(bounds: tuple[float, float] | list[float] | None) -> str:
    """Two bounds of a quality.

    >>> span([0.9745, 0.997])
    '0.9745 to 0.9970'
    """
    return ABSENT if bounds is None else f"{metric(bounds[0])} to {metric(bounds[1])}"


def count(value: float | None) -> str:
    """A whole number with commas.

    >>> count(58060)
    '58,060'
    """
    return ABSENT if value is None else f"{value:,.0f}"


def signed(value: int | None) -> str:
    """A whole number with its sign.

    >>> signed(3), signed(-1), signed(0)
    ('+3', '−1', '0')
    """
    return ABSENT if value is None else "0" if value == 0 else f"{value:+,}".replace("-", "−")


def size(value: float | None) -> str:
    """Bytes in the unit that leaves three digits.

    >>> size(512), size(19856), size(2_500_000)
    ('512 B', '19.9 kB', '2.50 MB')
    """
    if value is None:
        return ABSENT
    if value < 1000:
        return f"{value:.0f} B"
    unit, scaled = next(
        (unit, value / power)
        for unit, power in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9))
        if value < power * 999.5 or unit == "GB"
    )
    return f"{scaled:.{2 if scaled < 9.995 else 1 if scaled < 99.95 else 0}f} {unit}"


def milliseconds(value: float | None) -> str:
    """A latency with three significant digits, without its unit.

    >>> milliseconds(0.001502), milliseconds(12.34), milliseconds(1234)
    ('0.00150', '12.3', '1,234')
    """
    return ABSENT if value is None else significant(value)


def significant(value: float, digits: int = 3) -> str:
    """A positive number with so many significant digits, never in powers of ten.

    >>> significant(0.0), significant(99.96)
    ('0', '100')
    """
    if value == 0:
        return "0"
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def share(value: float | None) -> str:
    """A part of one in percent.

    >>> share(0.853), share(0.0041), share(0.0)
    ('85 %', '0.4 %', '0 %')
    """
    if value is None:
        return ABSENT
    return f"{value * 100:.{1 if 0 < value < 0.0995 else 0}f} %"


def times(before: float | None, after: float | None) -> str:
    """How many times smaller.

    >>> times(58060, 5556)
    '10.4×'
    """
    return f"{before / after:.1f}×" if before and after else ABSENT


def duration(seconds: float | None) -> str:
    """As people say it.

    >>> duration(0.42), duration(80), duration(5400)
    ('0.4 s', '1 min 20 s', '1 h 30 min')
    """
    if seconds is None:
        return ABSENT
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return whole_seconds(seconds)


def whole_seconds(seconds: float) -> str:
    """The same without tenths, for what is only estimated.

    >>> whole_seconds(5), whole_seconds(80), whole_seconds(5400)
    ('5 s', '1 min 20 s', '1 h 30 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(text: str | None) -> str:
    """An ISO 8601 time in UTC.

    >>> moment("2026-11-25T03:20:17+00:00"), moment(None)
    ('2026-11-25 03:20 UTC', '–')
    """
    if text is None:
        return ABSENT
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def words(text: str) -> str:
    """An identifier of ours as words.

    >>> words("not_enough_data")
    'not enough data'
    """
    return text.replace("_", " ")


FILTERS: Mapping[str, Callable[..., Any]] = {
    "metric": metric,
    "change": change,
    "interval": interval,
    "span": span,
    "number": count,
    "signed": signed,
    "size": size,
    "milliseconds": milliseconds,
    "share": share,
    "duration": duration,
    "moment": moment,
    "words": words,
}
"""What templates call them."""

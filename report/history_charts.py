"""Which charts of a workspace over time there are, and what stands in them: dates, numbers, and words of ours."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from report import figures, timeline

_MAX_TICKS = 5

Run = Mapping[str, Any]


@dataclass(frozen=True)
class Chart:
    """One figure of the page.

    Attributes:
        id: Its place in the page.
        title: What is drawn.
        unit: Of the values; may be empty.
        svg: The drawing.
        summary: It in one sentence, for those who do not see it.
        legend: Class of a swatch to what it stands for.
    """

    id: str
    title: str
    unit: str
    svg: Markup
    summary: str
    legend: Mapping[str, str]


@dataclass(frozen=True)
class _Kind:
    id: str
    title: str
    unit: str
    value: Callable[[Run], float | None]
    text: Callable[[float], str]
    lines: Mapping[str, tuple[str, Callable[[Run], float | None]]]
    least_span: float = 0.25
    from_zero: bool = False


def charts(runs: Sequence[Run], events: Sequence[Mapping[str, Any]], current: int | None) -> list[Chart]:
    """Quality, size, latency and drift of all runs that measured them.

    Args:
        runs: As in `report.index_page.render`, newest first.
        events: What was done to the registry, newest first.
        current: Number of the current version.

    Returns:
        No chart of what no run measured.
    """
    numbered = list(enumerate(reversed(runs)))
    moves = [_move(event, numbered) for event in events if event["action"] in ("rollback", "promote")]
    return [_chart(kind, numbered, moves, current) for kind in _kinds(runs) if any(_has(kind, run) for run in runs)]


def _has(kind: _Kind, run: Run) -> bool:
    return kind.value(run) is not None


def _kinds(runs: Sequence[Run]) -> list[_Kind]:
    metric = next((run["metric"] for run in runs if run["value"] is not None), None)
    title = next((run["metric_title"] for run in runs if run["value"] is not None), None)
    sizes = [run["gzip_bytes"] for run in runs if run["gzip_bytes"]]
    latencies = [run["latency_ms"] for run in runs if run["latency_ms"]]
    byte_unit, byte_scale = ("MB", 1e6) if max(sizes, default=0) >= 1e6 else ("kB", 1e3)
    time_unit, time_scale = ("ms", 1.0) if max(latencies, default=0) >= 0.1 else ("µs", 1e-3)

    def of_metric(key: str) -> Callable[[Run], float | None]:
        # Another metric is another scale.
        return lambda run: run[key] if run["metric"] == metric else None

    def scaled(key: str, scale: float) -> Callable[[Run], float | None]:
        return lambda run: None if run[key] is None else run[key] / scale

    return [
        _Kind(
            "quality",
            figures.heading(title or "quality"),
            "",
            of_metric("value"),
            figures.metric,
            {"float": ("float model", of_metric("baseline")), "limit": ("just passes the gate", of_metric("limit"))},
            least_span=0.02,
        ),
        _Kind("size", "Size after gzip", byte_unit, scaled("gzip_bytes", byte_scale), figures.significant, {}),
        _Kind("latency", "Median latency", time_unit, scaled("latency_ms", time_scale), figures.significant, {}),
        _Kind(
            "drift",
            "Drift of the newest data",
            "",
            scaled("drift", 1.0),
            figures.significant,
            {"limit": ("worth a notice", scaled("drift_notice", 1.0))},
            from_zero=True,
        ),
    ]


def _move(event: Mapping[str, Any], numbered: Sequence[tuple[int, Run]]) -> dict[str, Any]:
    """A rollback or a promotion, between the runs before and after it."""
    before = [place for place, run in numbered if (run["started_at"] or "") <= event["when"].replace("Z", "+00:00")]
    word = "rollback" if event["action"] == "rollback" else "promotion"
    return {"x": (before[-1] if before else -1) + 0.5, "label": f"{word} to {event['after']}"}


def _chart(
    kind: _Kind, numbered: Sequence[tuple[int, Run]], moves: Sequence[Mapping[str, Any]], current: int | None
) -> Chart:
    points = [_point(kind, place, run, current) for place, run in numbered if _has(kind, run)]
    newest = next((point for point in reversed(points) if point["kind"] == "current"), None)
    if newest is not None:
        newest["label"] = f"v{current}"
    lines = {
        name: [
            {"x": place + side, "y": value}
            for place, run in numbered
            if _has(kind, run) and (value := of(run)) is not None
            for side in (-0.5, 0.5)
        ]
        for name, (_, of) in kind.lines.items()
    }
    values = [point["y"] for point in points]
    legend = {"pushed": "pushed", "held": "not pushed", "current": "current version"}
    shown = {point["kind"] for point in points}
    words = {name: words for name, (words, _) in kind.lines.items() if lines[name]}
    unit = f" {kind.unit}" if kind.unit else ""
    said = (
        f"{kind.title} of {len(points)} run{'' if len(points) == 1 else 's'}, from {kind.text(min(values))} to "
        f"{kind.text(max(values))}{unit}, last {kind.text(values[-1])}{unit}."
    )
    values += [row["y"] for rows in lines.values() for row in rows]
    return Chart(
        kind.id,
        kind.title,
        kind.unit,
        timeline.draw(points, lines, moves, timeline.Frame(_ticks(numbered), len(numbered), _domain(kind, values))),
        said,
        {name: text for name, text in legend.items() if name in shown}
        | words
        | ({"move": "rollback or promotion"} if moves else {}),
    )


def _domain(kind: _Kind, values: Sequence[float]) -> tuple[float, float]:
    """From where to where values are drawn; never so little that noise looks like a change."""
    low, high = min(values), max(values)
    wanted = max(high - low, kind.least_span * abs(high), 1e-9)
    middle = (low + high) / 2
    return (0.0 if kind.from_zero else middle - 0.55 * wanted), (
        max(high, 1e-9) * 1.1 if kind.from_zero else middle + 0.55 * wanted
    )


def _point(kind: _Kind, place: int, run: Run, current: int | None) -> dict[str, Any]:
    value, version = kind.value(run), run["pushed_version"]
    assert value is not None
    is_current = version is not None and version == current
    ended = f"version {version}" if run["state"] == "pushed" and version is not None else figures.words(run["state"])
    unit = f" {kind.unit}" if kind.unit else ""
    beside = "".join(
        f", {words} {kind.text(line)}" for words, of in kind.lines.values() if (line := of(run)) is not None
    )
    return {
        "x": place,
        "y": value,
        "kind": "current" if is_current else "pushed" if run["state"] == "pushed" else "held",
        "label": "",
        "tip": f"{place}|{figures.moment(run['started_at'])}: {ended}, {kind.text(value)}{unit}{beside}",
    }


def _ticks(numbered: Sequence[tuple[int, Run]]) -> dict[int, str]:
    """Places to the dates of their runs, or to the times when all were on one day."""
    known = [(place, figures.moment(run["started_at"])) for place, run in numbered if run["started_at"]]
    one_day = len({text[:10] for _, text in known}) == 1
    step = max(1, -(-len(known) // _MAX_TICKS))
    return {place: text[11:16] if one_day else text[:10] for place, text in known[::step]}

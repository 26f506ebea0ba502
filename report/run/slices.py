"""Where a model loses more than on the whole: the metric's drop in every slice, with its bounds."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from report import charts, figures
from report.run.facts import Context, Facts, Variant
from report.run.variants import MARKS

_ROW = 24
_MOST_DRAWN = 40
_MOST_ROWS = 200


def context(facts: Facts) -> Context:
    """`variants`, each with its slices, the one that lost most first, and a chart."""
    with_slices = [variant for variant in facts.variants if variant["slices"]]
    if not with_slices:
        judged = any(variant["value"] is not None for variant in facts.variants)
        return {"missing": "the gate names no slices (docs/gate.md)" if judged else "no gate reported"}
    first = facts.shown["name"] if facts.shown else None
    with_slices.sort(key=lambda variant: variant["name"] != first)
    return {
        "missing": None,
        "metric": facts.metric,
        "most": _MOST_ROWS,
        "variants": [_of(variant, facts.metric, variant["name"] == first) for variant in with_slices],
    }


def _of(variant: Variant, metric: str, opened: bool) -> dict[str, Any]:
    rows = [_row(part, metric) for part in variant["slices"]]
    # Those without a number last.
    rows.sort(key=lambda row: (row["drop"] is None, -(row["drop"] or 0.0)))
    return {
        "name": variant["name"],
        "opened": opened,
        "rows": rows[:_MOST_ROWS],
        "left_out": max(0, len(rows) - _MOST_ROWS),
        "spec": _spec(rows[:_MOST_DRAWN], metric),
    }


def _row(part: Mapping[str, Any], metric: str) -> dict[str, Any]:
    numbers = part["metrics"].get(metric) or {}
    bounds = numbers.get("drop_ci")
    return {
        "slice": part["slice"],
        "examples": part["examples"],
        "state": part["state"],
        "mark": MARKS.get(part["state"] or "", ""),
        "candidate": numbers.get("candidate"),
        "baseline": numbers.get("baseline"),
        "drop": numbers.get("drop"),
        "bounds": bounds,
    }


def _spec(rows: Sequence[Mapping[str, Any]], metric: str) -> charts.Spec | None:
    """Drop and bounds of each slice; None: no slice has a number."""
    points = [_point(row, metric) for row in rows if row["drop"] is not None]
    if not points:
        return None
    names = [point["slice"] for point in points]
    # As a domain: an order by `sort` would become an expression with the names in it.
    scale = alt.Scale(domain=names)
    y = alt.Y("slice:N", scale=scale, sort=None, title=None, axis=alt.Axis(labelLimit=180, domain=False, ticks=False))
    x = alt.X(
        "drop:Q",
        title=f"drop of {metric}",
        axis=alt.Axis(tickCount=6, labelFlush=False),
    )
    zero = alt.Chart(charts.table([{"drop": 0}])).mark_rule(color="var(--line-strong)", aria=False).encode(x=x)
    base = alt.Chart(charts.table(points)).encode(y=y)
    color = alt.Color(
        "status:N",
        title=None,
        scale=alt.Scale(
            domain=[*charts.STATUS_COLORS, "not judged"], range=[*charts.STATUS_COLORS.values(), charts.MUTED]
        ),
        legend=None,
    )
    whiskers = base.mark_rule(strokeWidth=2, opacity=0.55, aria=False)
    dots = base.mark_point(filled=True, size=70, opacity=1, aria=False, tooltip=alt.TooltipContent(content="data"))
    layers = [zero, whiskers.encode(x="low:Q", x2="high:Q", color=color), dots.encode(x=x, color=color)]
    return charts.finish(layers, _ROW * len(names))


def _point(row: Mapping[str, Any], metric: str) -> charts.Row:
    low, high = row["bounds"] or (None, None)
    state = figures.words(row["state"]) if row["state"] else "not judged"
    return {
        "slice": row["slice"],
        "drop": row["drop"],
        "low": row["drop"] if low is None else low,
        "high": row["drop"] if high is None else high,
        "status": state,
        "tip": charts.tip(
            (row["slice"], state),
            (metric, f"{figures.metric(row['candidate'])}, float {figures.metric(row['baseline'])}"),
            ("drop", f"{figures.change(row['drop'])} ({figures.interval(row['bounds'])})"),
            ("examples", figures.count(row["examples"])),
        ),
    }

"""The plot of cost against quality: which variant gives most for its bytes or its time, and what the gate demands."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import altair as alt

from report import charts, figures
from report.run.facts import Context, Facts, Variant, limit_of
from report.run.labels import Range, place

HEIGHT = 400
# A cost that spans more than this needs a logarithmic axis: beside a large model small ones would be one dot.
_LOGARITHMIC_FROM = 6.0
_SHAPES = {"passed": "circle", "blocked": "triangle-up", "not enough data": "square"}


@dataclass(frozen=True)
class _Cost:
    """What an axis may show.

    Attributes:
        key: Key of a variant and of the baseline.
        choice: Word on its button.
        title: Title of its axis, with the unit.
    """

    key: str
    choice: str
    title: str

    def of(self, model: Variant) -> float | None:
        """The cost of a variant or of the baseline."""
        value = model[self.key]
        if isinstance(value, dict):
            value = value["p50"]
        return None if value is None else float(value)

    def show(self, value: float) -> str:
        """With its unit."""
        return f"{figures.milliseconds(value)} ms" if self.key == "latency_ms" else figures.size(value)


_COSTS = (
    _Cost("gzip_bytes", "Size after gzip", "size after gzip, bytes"),
    _Cost("size_bytes", "Size of the file", "size of the file, bytes"),
    _Cost("latency_ms", "Latency", "median latency on this host, ms"),
)


def context(facts: Facts) -> Context:
    """What an axis may show, with a chart for each.

    `choices` (key, word), `specs` by key, `fronts` (names by key), `limit` (the gate's), and which way is `better`.
    """
    models = [variant for variant in facts.variants if variant["value"] is not None]
    costs = [cost for cost in _COSTS if any(cost.of(variant) is not None for variant in models)]
    if not costs:
        return {"missing": "no variant has both a metric and a size"}
    limit = _limit(facts, models)
    points = {cost.key: _points(facts, models, cost) for cost in costs}
    return {
        "missing": None,
        "metric": facts.metric,
        "choices": [(cost.key, cost.choice) for cost in costs],
        "specs": {cost.key: _spec(facts, points[cost.key], cost, limit) for cost in costs},
        "limit": limit,
        "better": "Up" if facts.higher_is_better else "Down",
        "fronts": {cost.key: _on_front(points[cost.key]) for cost in costs},
    }


def _on_front(points: Sequence[charts.Row]) -> list[str]:
    return [row["name"] for row in sorted(points, key=lambda row: float(row["x"])) if row["front"]]


def _limit(facts: Facts, models: Sequence[Variant]) -> float | None:
    """The worst value of the metric that the gate lets pass, by the drop or by the value itself."""
    if facts.summary["baseline"]["value"] is None:
        return None
    drops = [drop for model in models if (drop := limit_of(model, "max_drop")) is not None]
    rule = "min_value" if facts.higher_is_better else "max_value"
    values = [value for model in models if (value := limit_of(model, rule)) is not None]
    bounds = [*(facts.beside(drop) for drop in drops[:1]), *values[:1]]
    stricter = max if facts.higher_is_better else min
    return stricter(bounds, default=None)


def _points(facts: Facts, models: Sequence[Variant], cost: _Cost) -> list[charts.Row]:
    rows = [_point(facts, model, cost, x) for model in models if (x := cost.of(model)) is not None]
    sign = 1 if facts.higher_is_better else -1
    for row in rows:
        row["front"] = not any(
            other["x"] <= row["x"]
            and sign * other["y"] >= sign * row["y"]
            and (other["x"], other["y"]) != (row["x"], row["y"])
            for other in rows
        )
    return rows


def _point(facts: Facts, model: Variant, cost: _Cost, x: float) -> charts.Row:
    bounds = model["drop_ci"]
    known = facts.summary["baseline"]["value"] is not None
    return {
        "name": model["name"],
        "x": x,
        "y": model["value"],
        "worst": facts.beside(bounds[1]) if bounds and known else model["value"],
        "status": figures.words(model["status"]),
        "chosen": model["name"] == facts.summary["selected"],
        "tip": charts.tip(
            (model["name"], figures.words(model["status"])),
            (facts.metric, figures.metric(model["value"])),
            ("drop", f"{figures.change(model['drop'])} ({figures.interval(bounds)})"),
            *((shown.choice.lower(), shown.show(value)) for shown in _COSTS if (value := shown.of(model)) is not None),
        ),
    }


def _baseline(facts: Facts, cost: _Cost) -> list[charts.Row]:
    """The float model, where both of its numbers are known."""
    baseline = facts.summary["baseline"]
    x = cost.of(baseline)
    if x is None or baseline["value"] is None:
        return []
    lines = charts.tip(
        ("float model", ""), (facts.metric, figures.metric(baseline["value"])), (cost.choice, cost.show(x))
    )
    return [{"name": "float model", "x": x, "y": baseline["value"], "tip": lines}]


def _spec(facts: Facts, points: list[charts.Row], cost: _Cost, limit: float | None) -> charts.Spec:
    reference = _baseline(facts, cost)
    across, up = _ranges([*points, *reference], limit)
    stairs = _stairs(points, across.high)
    place([*points, *reference], stairs, across, up, HEIGHT)
    x, y = _axes(across, up, cost, facts.metric)
    layers = [*_gate(limit, y), _front(stairs, x, y)]
    layers += [_whiskers(points, x, y), _marks(points, x, y)]
    layers += [_cross(reference, x, y)] if reference else []
    layers.append(_names([*points, *reference], x, y))
    return charts.finish(layers, HEIGHT)


def _ranges(rows: Sequence[charts.Row], limit: float | None) -> tuple[Range, Range]:
    costs = [row["x"] for row in rows]
    logarithmic = min(costs) > 0 and max(costs) / min(costs) > _LOGARITHMIC_FROM
    across = Range(min(costs) / 1.4, max(costs) * 1.4, True) if logarithmic else Range(0.0, max(costs) * 1.08 or 1.0)
    values = [*(row["y"] for row in rows), *(row.get("worst", row["y"]) for row in rows)]
    values += [] if limit is None else [limit]
    margin = (max(values) - min(values)) * 0.08 or abs(max(values)) * 0.02 or 0.01
    return across, Range(min(values) - margin, max(values) + margin)


def _axes(across: Range, up: Range, cost: _Cost, metric: str) -> tuple[alt.X, alt.Y]:
    form = alt.Undefined if cost.key == "latency_ms" else "~s"
    x_scale = alt.Scale(type="log" if across.logarithmic else "linear", domain=[across.low, across.high], nice=False)
    y_scale = alt.Scale(domain=[up.low, up.high], nice=False, zero=False)
    x = alt.X("x:Q", title=cost.title, scale=x_scale, axis=alt.Axis(format=form, tickCount=6, grid=False))
    return x, alt.Y("y:Q", title=metric, scale=y_scale, axis=alt.Axis(tickCount=6))


def _gate(limit: float | None, y: alt.Y) -> list[charts.Layer]:
    if limit is None:
        return []
    base = alt.Chart(charts.table([{"y": limit, "text": f"gate {figures.metric(limit)}"}])).encode(y=y)
    rule = base.mark_rule(color=charts.INK, strokeDash=[5, 4], strokeWidth=1.25, aria=False)
    words = base.mark_text(
        align="right", baseline="bottom", dy=-4, x=alt.ExprRef("width"), color=charts.INK, aria=False
    )
    return [rule, words.encode(text="text:N")]


def _stairs(points: Sequence[charts.Row], end: float) -> list[tuple[float, float]]:
    """The front: what can be had for a cost is the quality of the best variant that costs no more."""
    corners = sorted((row["x"], row["y"]) for row in points if row["front"])
    stairs = corners[:1]
    for (_, quality), (cost, better) in pairwise(corners):
        stairs += [(cost, quality), (cost, better)]
    return [*stairs, (end, corners[-1][1])]


def _front(stairs: Sequence[tuple[float, float]], x: alt.X, y: alt.Y) -> charts.Layer:
    rows = [{"x": cost, "y": quality, "step": number} for number, (cost, quality) in enumerate(stairs)]
    line = alt.Chart(charts.table(rows)).mark_line(color=charts.ACCENT, strokeWidth=1.5, opacity=0.75, aria=False)
    return line.encode(x=x, y=y, order="step:Q")


def _whiskers(points: Sequence[charts.Row], x: alt.X, y: alt.Y) -> charts.Layer:
    rule = alt.Chart(charts.table(points)).mark_rule(strokeWidth=2, opacity=0.55, aria=False)
    return rule.encode(x=x, y=y, y2="worst:Q", color=_status_color())


def _marks(points: Sequence[charts.Row], x: alt.X, y: alt.Y) -> charts.Layer:
    states = list(_SHAPES)
    marks = alt.Chart(charts.table(points)).mark_point(filled=True, opacity=1, strokeWidth=2, aria=False, tooltip=_TIP)
    return marks.encode(
        x=x,
        y=y,
        color=_status_color(),
        shape=alt.Shape("status:N", scale=alt.Scale(domain=states, range=list(_SHAPES.values())), legend=None),
        size=alt.condition("datum.chosen", alt.value(240), alt.value(110)),
        stroke=alt.condition("datum.chosen", alt.value(charts.INK), alt.value("var(--ground)")),
    )


_TIP: Any = alt.TooltipContent(content="data")


def _status_color() -> alt.Color:
    states = list(charts.STATUS_COLORS)
    return alt.Color("status:N", scale=alt.Scale(domain=states, range=list(charts.STATUS_COLORS.values())), legend=None)


def _cross(reference: Sequence[charts.Row], x: alt.X, y: alt.Y) -> charts.Layer:
    mark = alt.Chart(charts.table(reference)).mark_point(
        shape="cross", filled=True, size=110, color=charts.MUTED, opacity=1, aria=False, tooltip=_TIP
    )
    return mark.encode(x=x, y=y)


def _names(rows: Sequence[charts.Row], x: alt.X, y: alt.Y) -> charts.Layer:
    """Names beside the marks; on a narrow screen the chosen one's alone."""
    text = alt.ExprRef("width < 460 && !datum.chosen ? '' : datum.name")
    marks = alt.Chart(charts.table(rows)).mark_text(
        color=charts.INK,
        fontSize=12,
        text=text,
        dx=alt.ExprRef("datum.dx"),
        dy=alt.ExprRef("datum.dy"),
        align=alt.ExprRef("datum.align"),
        baseline="middle",
        aria=False,
    )
    return marks.encode(x=x, y=y)

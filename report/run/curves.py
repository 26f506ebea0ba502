"""How every training went, epoch by epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from report import charts, figures
from report.run.facts import Context, Facts

_VALIDATION = "val_"
_HEIGHT = 200
_MOST_DOTS = 40
_MOST_ROWS = 12
_COLORS = {"training": "var(--c1)", "validation": "var(--c2)"}
_DASHES = {"training": [1, 0], "validation": [5, 3]}


def context(facts: Facts) -> Context:
    """`steps`, one for each training, with its `charts` by measure and `rows` of numbers, and `absent`."""
    curves = [curve for curve in facts.details["curves"] or () if curve["epochs"]]
    if not curves:
        return {"missing": facts.why("curves")}
    return {"missing": None, "steps": [_step(curve) for curve in curves], "absent": facts.parts_of("curves")}


def _step(curve: Mapping[str, Any]) -> dict[str, Any]:
    series: Mapping[str, Sequence[float | None]] = curve["series"]
    measures = list(dict.fromkeys(name.removeprefix(_VALIDATION) for name in series))
    # The loss, which every training has, and the metrics beside it; what only repeats one number says nothing.
    measures.sort(key=lambda name: name != "loss")
    drawn = [(name, spec) for name in measures if (spec := _spec(name, curve["epochs"], series)) is not None]
    return {
        "node": curve["node"],
        "title": curve["title"],
        "variants": curve["variants"],
        "epochs": len(curve["epochs"]),
        "charts": [{"measure": figures.words(name), "spec": spec} for name, spec in drawn],
        "names": list(series),
        "rows": _thinned(curve["epochs"], series),
    }


def _spec(measure: str, epochs: Sequence[int], series: Mapping[str, Sequence[float | None]]) -> charts.Spec | None:
    """Training and validation over the epochs; None: there is no number."""
    rows = [
        {
            "epoch": epoch,
            "value": value,
            "series": kind,
            "tip": charts.tip((f"epoch {epoch}", kind), (figures.words(measure), figures.significant(value, 4))),
        }
        for kind, name in (("training", measure), ("validation", _VALIDATION + measure))
        for epoch, value in zip(epochs, series.get(name, ()), strict=False)
        if value is not None
    ]
    if not rows:
        return None
    kinds = list(dict.fromkeys(str(row["series"]) for row in rows))
    legend = alt.Legend(title=None, symbolType="stroke", symbolSize=260, symbolStrokeWidth=2)
    color = alt.Color("series:N", scale=alt.Scale(domain=kinds, range=[_COLORS[kind] for kind in kinds]), legend=legend)
    dashes = [_DASHES[kind] for kind in kinds]
    dash = alt.StrokeDash("series:N", scale=alt.Scale(domain=kinds, range=dashes), legend=legend)
    ticks = alt.Axis(tickMinStep=1, format="d", grid=False, tickCount=8)
    base = alt.Chart(charts.table(rows)).encode(
        x=alt.X("epoch:Q", title="epoch", axis=ticks, scale=alt.Scale(domain=[min(epochs), max(epochs)], nice=False)),
        y=alt.Y("value:Q", title=figures.words(measure), scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5)),
        color=color,
    )
    line = base.mark_line(strokeWidth=2, aria=False).encode(strokeDash=dash)
    seen = 1 if len(epochs) <= _MOST_DOTS else 0
    dots = base.mark_point(filled=True, size=34, opacity=seen, aria=False, tooltip=alt.TooltipContent(content="data"))
    return charts.finish([line, dots], _HEIGHT)


def _thinned(epochs: Sequence[int], series: Mapping[str, Sequence[float | None]]) -> list[dict[str, Any]]:
    """Some epochs as numbers, the first and the last among them."""
    number = len(epochs)
    steps = min(number, _MOST_ROWS)
    chosen = sorted({round(k * (number - 1) / max(1, steps - 1)) for k in range(steps)})
    return [
        {"epoch": epochs[k], "values": [values[k] if k < len(values) else None for values in series.values()]}
        for k in chosen
    ]

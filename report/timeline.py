"""Draws values over runs as SVG, by Vega: it needs no script, prints well, and follows the theme.

No string of a configuration gets into a drawing: it holds numbers, dates, and words of ours.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

WIDTH, HEIGHT = 420, 150
"""Of the area of data, in pixels."""

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_MARK = re.compile(r'aria-label="(\d+)\|([^"<>]*)"')
_X = {"field": "x", "type": "quantitative"}
_Y = {"field": "y", "type": "quantitative"}
_CONFIG = {
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "labelFontSize": 11,
        "gridColor": "var(--line)",
        "domainColor": "var(--line-strong)",
        "tickColor": "var(--line-strong)",
    },
}

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Frame:
    """What surrounds the values.

    Attributes:
        ticks: Place of a run to its date.
        runs: How many there are.
        domain: Lowest and highest value that is drawn.
    """

    ticks: Mapping[int, str]
    runs: int
    domain: tuple[float, float]


def draw(points: Rows, lines: Mapping[str, Rows], moves: Rows, frame: Frame) -> Markup:
    """One drawing.

    Args:
        points: `{x, y, kind, label, tip}`, the kind one of `pushed`, `held` and `current`; `tip` is `PLACE|text`, and
            each mark bears both as `data-run` and `data-tip`.
        lines: `{x, y}` of the lines `float` and `limit`.
        moves: `{x}` of vertical lines.
        frame: What surrounds them.
    """
    # Draws outside of Python; importing it takes a moment.
    import vl_convert

    layers = [_rule(moves), *(_line(name, rows) for name, rows in lines.items() if rows), *_marks(points)]
    spec = {
        "$schema": _SCHEMA,
        "width": WIDTH,
        "height": HEIGHT,
        "background": None,
        "padding": 2,
        "layer": [_with_axes(layer, frame) for layer in layers],
        "config": _CONFIG,
    }
    svg = _MARK.sub(r'data-run="\1" data-tip="\2"', vl_convert.vegalite_to_svg(spec))
    # One picture with one description; its parts say nothing that the table does not say better.
    svg = re.sub(r' (role|aria-[a-z]+)="[^"]*"', "", svg)
    return Markup(svg.replace("<svg ", '<svg aria-hidden="true" ', 1))


def _with_axes(layer: Mapping[str, Any], frame: Frame) -> dict[str, Any]:
    beside = max(0.6, frame.runs * 0.03)  # room for the marks at both ends
    labels = json.dumps({str(place): text for place, text in frame.ticks.items()})
    axes: dict[str, dict[str, Any]] = {
        "x": {
            "axis": {
                "title": None,
                "values": list(frame.ticks),
                "labelExpr": f"({labels})[datum.value]",
                "grid": False,
            },
            "scale": {"domain": [-beside, frame.runs - 1 + beside], "nice": False},
        },
        "y": {
            "axis": {"title": None, "tickCount": 4, "domain": False, "ticks": False, "labelPadding": 6},
            "scale": {"domain": list(frame.domain), "zero": False, "nice": False},
        },
    }
    encoding = {name: channel | axes.get(name, {}) for name, channel in layer["encoding"].items()}
    return {**layer, "encoding": encoding}


def _marks(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A line through what was pushed, and a mark for each run; many make smaller marks."""
    size = max(14.0, min(38.0, 3000 / len(points)))
    by_kind = {
        "fill": _by_kind(pushed="var(--c1)", held="var(--ground)", current="var(--c3)"),
        "stroke": _by_kind(pushed="var(--c1)", held="var(--line-strong)", current="var(--c3)"),
        "size": _by_kind(pushed=size, held=size * 0.9, current=95),
    }
    pushed = [point for point in points if point["kind"] != "held"]
    return [
        {
            "data": {"values": pushed},
            "mark": {"type": "line", "color": "var(--c1)", "strokeWidth": 1.5, "aria": False},
            "encoding": {"x": _X, "y": _Y},
        },
        {
            "data": {"values": points},
            "mark": {"type": "point", "filled": True, "strokeWidth": 1.5, "opacity": 1},
            "encoding": {"x": _X, "y": _Y, **by_kind, "description": {"field": "tip"}},
        },
        {
            "data": {"values": [point for point in points if point["label"]]},
            "mark": {"type": "text", "dy": -11, "fontSize": 11, "fontWeight": 600, "color": "var(--c3)", "aria": False},
            "encoding": {"x": _X, "y": _Y, "text": {"field": "label"}},
        },
    ]


def _by_kind(**values: object) -> dict[str, Any]:
    return {
        "condition": [{"test": f"datum.kind == '{kind}'", "value": value} for kind, value in values.items()],
        "value": next(iter(values.values())),
    }


def _line(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    dashes = {"float": [], "limit": [5, 3]}[name]
    colour = {"float": "var(--muted)", "limit": "var(--c2)"}[name]
    return {
        "data": {"values": rows},
        "mark": {"type": "line", "color": colour, "strokeWidth": 1.25, "strokeDash": dashes, "aria": False},
        "encoding": {
            "x": _X,
            "y": _Y,
            "order": _X,
        },
    }


def _rule(moves: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "data": {"values": list(moves)},
        "mark": {"type": "rule", "color": "var(--c4)", "strokeWidth": 1.25, "strokeDash": [2, 2], "aria": False},
        "encoding": {"x": _X},
    }

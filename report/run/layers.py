"""What each finished file holds, layer by layer, and what quantization did to it."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import altair as alt

from report import charts, figures
from report.run.facts import Context, Facts

_BASELINE = "baseline"
_ROW = 26
_MOST_ROWS = 120

_MEASURES: Mapping[str, tuple[str, str]] = {
    "added": ("Error added", "error that the layer adds to what it reads"),
    "output": ("Error of the output", "relative error of the layer's output"),
    "weights": ("Error of the weights", "relative error of the weights"),
    "size_bytes": ("Bytes", "bytes of the weights"),
    "sparsity": ("Zeros", "share of zeros among the weights"),
}
"""Key to the word on its button and to what it is."""


def context(facts: Facts) -> Context:
    """`files`, one table for each variant and the baseline; `choices` and `specs` of the map of all layers."""
    layers = facts.details["layers"]
    if not layers or not any(layers.values()):
        return {"missing": facts.why("layers")}
    first = facts.shown["name"] if facts.shown else None
    names = sorted((name for name in layers if layers[name]), key=lambda name: (name == _BASELINE, name != first))
    reference = {_key(row): row["size_bytes"] for row in layers.get(_BASELINE) or ()}
    rows = [_cell(name, layer) for name in names for layer in layers[name]]
    # A map of one file would say what its table says.
    drawn = _MEASURES if len(names) > 1 else ()
    maps = {key: spec for key in drawn if (spec := _map(key, rows, names)) is not None}
    return {
        "missing": None,
        "choices": [(key, _MEASURES[key][0]) for key in maps],
        "words": {key: _MEASURES[key][1] for key in maps},
        "specs": maps,
        "files": [_file(name, layers[name], reference, name == first) for name in names],
    }


def _title(name: str) -> str:
    return "float model" if name == _BASELINE else name


def _key(layer: Mapping[str, Any]) -> str:
    """What a layer is called in all files: by its kernels in the Keras model, where these are known."""
    return ", ".join(layer["kernels"]) or str(layer["name"])


def _file(name: str, layers: Sequence[Mapping[str, Any]], reference: Mapping[str, int], opened: bool) -> dict[str, Any]:
    largest = max((layer["size_bytes"] for layer in layers), default=0) or 1
    return {
        "name": _title(name),
        "opened": opened,
        "bytes": sum(layer["size_bytes"] for layer in layers),
        "why": sorted({why for layer in layers for why in (layer["not_measured"] or {}).values()}),
        "rows": [
            {
                **layer,
                "key": _key(layer),
                "shape": " × ".join(map(str, layer["shape"])),
                "part": layer["size_bytes"] / largest,
                "before": reference.get(_key(layer)) if name != _BASELINE else None,
                "errors": _errors(layer),
            }
            for layer in layers
        ],
    }


def _errors(layer: Mapping[str, Any]) -> dict[str, float | None]:
    """Errors of a layer. Independent errors add up in squares, so what it adds is the root of the square's growth."""
    error: Mapping[str, float | None] = layer["error"] or {}
    output, before = error.get("output"), error.get("before")
    added = None if output is None or before is None else sqrt(max(0.0, output**2 - before**2))
    return {"weights": error.get("weights"), "output": output, "added": added}


def _cell(name: str, layer: Mapping[str, Any]) -> charts.Row:
    return {
        "variant": _title(name),
        "layer": _key(layer),
        "op": layer["op"],
        "dtype": layer["dtype"],
        "size_bytes": layer["size_bytes"],
        "sparsity": layer["sparsity"],
        **_errors(layer),
    }


def _map(measure: str, cells: Sequence[charts.Row], names: Sequence[str]) -> charts.Spec | None:
    """Layers against variants, stronger where there is more; None: nothing was measured."""
    known = [cell for cell in cells if cell[measure] is not None]
    order = list(dict.fromkeys(cell["layer"] for cell in cells))[:_MOST_ROWS]
    known = [cell for cell in known if cell["layer"] in set(order)]
    most = max((cell[measure] for cell in known), default=0)
    if not most:
        return None
    show = figures.count if measure == "size_bytes" else figures.share
    rows = [
        {
            **{key: cell[key] for key in ("variant", "layer")},
            "value": cell[measure],
            "text": show(cell[measure]),
            "tip": charts.tip(
                (cell["layer"], cell["variant"]),
                (_MEASURES[measure][1], show(cell[measure])),
                ("operator", cell["op"]),
                ("type", cell["dtype"]),
            ),
        }
        for cell in known
    ]
    measured = {row["variant"] for row in rows}
    shown = [title for name in names if (title := _title(name)) in measured]
    # Names side by side take some 21 pixels each when they lean, 13 when they stand.
    steep = f"width < {24 * len(shown)} ? -90 : -35"
    # As domains: orders by `sort` would become expressions with the names in them.
    base = alt.Chart(charts.table(rows)).encode(
        x=alt.X(
            "variant:N",
            scale=alt.Scale(domain=shown),
            sort=None,
            title=None,
            axis=alt.Axis(
                orient="top", labelAngle=alt.ExprRef(steep), labelAlign="left", labelBaseline="middle", labelLimit=120
            ),
        ),
        y=alt.Y("layer:N", scale=alt.Scale(domain=order), sort=None, title=None, axis=alt.Axis(labelLimit=190)),
    )
    heat = base.mark_rect(color="var(--c2)", cornerRadius=2, aria=False, tooltip=alt.TooltipContent(content="data"))
    scale = alt.Scale(domain=[0, most], range=[0.04, 0.62])
    heat = heat.encode(opacity=alt.Opacity("value:Q", scale=scale, legend=None))
    narrow = f"width < {46 * len(shown)} ? '' : datum.text"
    words = base.mark_text(color=charts.INK, fontSize=11, text=alt.ExprRef(narrow), aria=False)
    return charts.finish([heat, words], _ROW * len(order))

"""What all charts share: colours of the theme, and Vega as one script that needs neither a network nor `eval`.

Charts name colours as CSS variables, which the browser resolves: a chart follows the theme without being drawn again.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import altair as alt
import vl_convert

Row = dict[str, Any]
Spec = dict[str, Any]
Layer = Any
"""A chart of Altair, whose methods tell no types."""

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
COLORS = tuple(f"var(--c{number})" for number in range(1, 7))
INK, MUTED, LINE, ACCENT = "var(--ink)", "var(--muted)", "var(--line)", "var(--accent)"
STATUS_COLORS = {"passed": "var(--c3)", "blocked": "var(--c2)", "not enough data": "var(--c5)"}


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script of about 0.9 MB; made once in a process, in about 1.5 s."""
    bundle: Any = vl_convert.javascript_bundle  # its stub demands an argument that the function does not
    return str(bundle())


def table(rows: Sequence[Row]) -> alt.InlineData:
    """Rows as a chart's data."""
    return alt.InlineData(values=list(rows))


def finish(layers: Sequence[Layer], height: int) -> Spec:
    """Layers as one chart, as wide as its place on the page, in the theme's colours.

    Args:
        layers: From back to front; their data hold `tip`, of `tip()`, where the pointer shall tell something.
        height: In pixels.

    Returns:
        A Vega-Lite specification.
    """
    axis = alt.AxisConfig(
        labelColor=MUTED,
        titleColor=MUTED,
        titleFontWeight="normal",
        gridColor=LINE,
        domainColor="var(--line-strong)",
        tickColor="var(--line-strong)",
        labelFontSize=12,
        titleFontSize=12,
        titlePadding=10,
    )
    legend = alt.LegendConfig(labelColor=INK, titleColor=MUTED, labelFontSize=12, orient="top", title=None)
    finished: Any = alt.layer(*layers).properties(width="container", height=height, background="transparent")
    configured = finished.configure(
        font=FONT, axis=axis, legend=legend, view=alt.ViewConfig(stroke=None), autosize=alt.AutoSizeParams(type="fit-x")
    )
    spec: Spec = configured.to_dict()
    return spec


def tip(*pairs: tuple[str, str]) -> list[list[str]]:
    """What the pointer tells of a mark, a line each."""
    return [list(pair) for pair in pairs]

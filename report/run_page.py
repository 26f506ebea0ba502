"""The page of one run: `report.html`."""

from collections.abc import Mapping
from typing import Any

from report import page


def render(summary: Mapping[str, Any], details: Mapping[str, Any] | None) -> str:
    """One self-contained HTML file that tells what became of a run.

    Args:
        summary: As in `pipeline/summary_schema.json`.
        details: As in `report/details_schema.json`; None: nothing but the summary is known.

    Returns:
        The HTML text, the same for the same arguments.
    """
    del details  # the sections that need them follow
    return page.render("run.html", {"summary": summary})

"""The page of a workspace: `index.html`."""

from collections.abc import Mapping
from typing import Any

from report import page


def render(overview: Mapping[str, Any]) -> str:
    """One self-contained HTML file that tells of all runs of a workspace."""
    return page.render("index.html", {"overview": overview})

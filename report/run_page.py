"""The page of one run: `report.html`."""

from collections.abc import Callable, Mapping
from typing import Any

from report import charts, page
from report.run import card, confusion, curves, data, layers, lineage, pareto, slices, tree, trying, variants, verdict
from report.run.facts import Context, Facts

PARTS: tuple[tuple[str, str, Callable[[Facts], Context]], ...] = (
    ("verdict", "", verdict.context),
    ("model", "The model", card.context),
    ("variants", "Variants", variants.context),
    ("advice", "What to try", trying.context),
    ("pareto", "Cost against quality", pareto.context),
    ("tree", "Tree of steps", tree.context),
    ("layers", "Layers", layers.context),
    ("slices", "Slices", slices.context),
    ("confusion", "Confusion", confusion.context),
    ("curves", "Trainings", curves.context),
    ("data", "Data", data.context),
    ("lineage", "Where it came from", lineage.context),
    ("environment", "Environment", lineage.environment),
)
"""Id (of the section and of its template), title (none: it stands on top), and what makes it; in the page's order."""

_FIRST = ("verdict", "advice")


def render(summary: Mapping[str, Any], details: Mapping[str, Any] | None, index: str | None = None) -> str:
    """One self-contained HTML file that tells what became of a run.

    Args:
        summary: As in `pipeline/summary_schema.json`.
        details: As in `report/details_schema.json`; None: nothing but the summary is known.
        index: Where the page of the workspace lies, relative to this one; None where there is none.

    Returns:
        The HTML text, the same for the same arguments.
    """
    facts = Facts(summary, details)
    parts = [{"id": name, "title": title, "context": make(facts)} for name, title, make in PARTS]
    if summary["status"] != "pushed":
        # Who has no model looks for the way to one.
        parts.sort(key=lambda part: _FIRST.index(str(part["id"])) if part["id"] in _FIRST else len(_FIRST))
    drawn = _drawn({str(part["id"]): part["context"] for part in parts})
    scripts = [page.asset("tables.js")]
    if drawn:
        scripts = [charts.library(), page.asset("charts.js"), *scripts]
    return page.render(
        "run.html",
        {
            "name": summary["name"],
            "run_id": summary["run_id"],
            "started": summary["started_at"] or summary["finished_at"],
            "seconds": sum(node["seconds"] or 0.0 for node in summary["nodes"]),
            "parts": parts,
            "index": index,
        },
        data={"charts": drawn} if drawn else {},
        styles=[page.asset("run.css")],
        scripts=scripts,
    )


def _drawn(contexts: Mapping[str, Any]) -> dict[str, Any]:
    """All charts of the page by the names that the templates give their places."""
    found: dict[str, Any] = {}
    for name in ("pareto", "layers"):
        if contexts[name].get("specs"):
            found[name] = {"choices": contexts[name]["specs"]}
    for number, variant in enumerate(contexts["slices"].get("variants", ()), 1):
        if variant["spec"]:
            found[f"slices-{number}"] = {"spec": variant["spec"]}
    for outer, step in enumerate(contexts["curves"].get("steps", ()), 1):
        for inner, one in enumerate(step["charts"], 1):
            found[f"curve-{outer}-{inner}"] = {"spec": one["spec"]}
    return found

"""All details of a run, from whatever artifacts there are; `report/details_schema.json` describes them."""

from collections.abc import Mapping
from typing import Any

from tfx.types import Artifact

from components import outcomes
from components.details import confusion, curves, data_statistics, layers, lineage
from compression.settings.metrics import metric_row

DETAILS_FILE = "details.json"
SCHEMA_VERSION = 1


def compose(input_dict: Mapping[str, list[Artifact]], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that artifacts know beyond the summary; what is not there is null or empty, with its reason.

    Args:
        input_dict: Artifacts by input name, as `components.summary.Summary` declares them; any may be absent.
        facts: As in `components.summary.compose`; of `details` are read `config` (the text of the configuration),
            `labels` (names of the classes, of several outputs by name) and `tree` (the nodes from the float model on),
            all of which may be left out.
    """
    told: Mapping[str, Any] = facts.get("details", {})
    tree = told.get("tree", [])
    found = outcomes.collect(input_dict, list(facts["steps"]))
    missing: dict[str, str] = {}
    return {
        "schema_version": SCHEMA_VERSION,
        "metric": facts["metric"],
        "higher_is_better": metric_row(facts["metric"]).higher_is_better,
        "config": told.get("config"),
        "labels": told.get("labels"),
        "tree": tree,
        "curves": curves.collect(input_dict, tree, missing),
        "layers": layers.collect(input_dict, found, missing),
        "confusion": confusion.collect(input_dict, found, told.get("labels"), missing),
        "statistics": data_statistics.collect(input_dict, missing),
        "lineage": lineage.collect(input_dict, found, tree),
        "not_measured": missing,
    }

"""What Kubeflow's page of a run shows of the summary: its report, and its numbers. Needs no TFX."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubeflow.container.invocation import RuntimeArtifact
from kubeflow.container.mounts import to_local

REPORT, METRICS = "report", "metrics"
"""Outputs that `kubeflow.spec.page` adds to the task `summary`."""

_SOURCE = "summary"
_SUMMARY_FILE, _REPORT_FILE = "summary.json", "report.html"


def fill(system: Mapping[str, RuntimeArtifact], outputs: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """Fills those of the added outputs that there are.

    Args:
        system: Outputs of Kubeflow's own types.
        outputs: Folders of the node's own outputs.

    Returns:
        What the launcher is told of them, by output; empty for every node but the summary.
    """
    folder = outputs.get(_SOURCE)
    told = {}
    if folder is not None and REPORT in system and (folder / _REPORT_FILE).is_file():
        # Its place names the file itself: the page shows what stands there.
        path = Path(to_local(system[REPORT].uri))
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / _REPORT_FILE, path)
        told[REPORT] = {"name": system[REPORT].name, "uri": system[REPORT].uri, "metadata": {}}
    if folder is not None and METRICS in system:
        summary = json.loads((folder / _SUMMARY_FILE).read_text())
        told[METRICS] = {"name": system[METRICS].name, "uri": system[METRICS].uri, "metadata": numbers(summary)}
    return told


def numbers(summary: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a summary that runs are compared by: those of the baseline, and of the selected variant.

    Keys begin with `baseline` or `selected`; sizes are in bytes, latencies in milliseconds. What was not measured is
    left out.
    """
    selected = next((found for found in summary["variants"] if found["name"] == summary["selected"]), {})
    metric = summary["baseline"]["metric"]
    found = {"pushed": int(summary["pushed"] is not None)}
    for kind, values in (("baseline", summary["baseline"]), ("selected", selected)):
        latency = values.get("latency_ms") or {}
        found |= {
            f"{kind} {metric}": values.get("value"),
            f"{kind} drop": values.get("drop"),
            f"{kind} size_bytes": values.get("size_bytes"),
            f"{kind} gzip_bytes": values.get("gzip_bytes"),
            f"{kind} latency_ms p50": latency.get("p50"),
            f"{kind} latency_ms p90": latency.get("p90"),
        }
    return {key: float(value) for key, value in found.items() if value is not None}

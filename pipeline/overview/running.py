"""What a run that has no summary is doing, told from its `progress.json`."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.durable import read_json
from pipeline.history import seconds_left
from pipeline.processes import lives
from pipeline.progress_file import FILE

_ENDED = ("complete", "cached", "failed", "not_run", "interrupted")


def unfinished(folder: Path) -> dict[str, Any]:
    """A run without a summary: `{run_id, state, name, started_at, why, progress}`.

    Args:
        folder: Its folder.

    Returns:
        `state` is `running`, `killed` (its process is gone) or `unfinished` (nothing is known). `progress` is None but
        for a running one: `{nodes, done, current, also, note, epoch, seconds, left_seconds, failed, host, updated_at}`;
        `current` is the node that has run for longest, `also` are those that run beside it.
    """
    row: dict[str, Any] = {
        "run_id": folder.name,
        "state": "unfinished",
        "name": None,
        "started_at": _from_id(folder.name),
        "why": "it left no summary",
        "progress": None,
    }
    found = read_json(folder / FILE)
    try:
        return row if found is None else {**row, **_told(found)}
    except (KeyError, TypeError, ValueError, AttributeError):
        return row


def _from_id(run_id: str) -> str | None:
    """When a run began, by its id.

    >>> _from_id("20261125-093507-9e2c"), _from_id("mine")
    ('2026-11-25T09:35:07+00:00', None)
    """
    try:
        return datetime.strptime(run_id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC).isoformat()
    except ValueError:
        return None


def _told(found: Mapping[str, Any]) -> dict[str, Any]:
    started_at = str(found["started_at"])
    datetime.fromisoformat(started_at)
    head = {"name": str(found["name"]), "started_at": started_at}
    if not lives(found["process"]):
        where = f" in {', '.join(node['id'] for node in _running(found))}" if _running(found) else ""
        return {**head, "state": "killed", "why": f"its process ended without a word{where}"}
    return {**head, "state": "running", "why": "", "progress": _progress(found, started_at)}


def _progress(found: Mapping[str, Any], started_at: str) -> dict[str, Any]:
    nodes, running = found["nodes"], _running(found)
    current = running[0] if running else None
    now = time.time()
    since = {node["id"]: max(0.0, now - float(node["since"])) for node in running}
    history = {node["id"]: float(node["expected_seconds"]) for node in nodes if node["expected_seconds"] is not None}
    waiting = [node["id"] for node in nodes if node["status"] == "waiting"]
    notes = {node["id"]: str(node["note"]) for node in nodes}
    return {
        "nodes": len(nodes),
        "done": sum(node["status"] in _ENDED for node in nodes),
        "cached": sum(node["status"] == "cached" for node in nodes),
        "failed": [str(node["id"]) for node in nodes if node["status"] == "failed"],
        "current": None if current is None else str(current["id"]),
        "also": [str(node["id"]) for node in running[1:]],
        "note": "" if current is None else notes.get(current["id"], ""),
        "current_seconds": None if current is None else since[current["id"]],
        "epoch": None if current is None else _epoch(current["epoch"]),
        "seconds": max(0.0, now - datetime.fromisoformat(started_at).astimezone(UTC).timestamp()),
        "left_seconds": seconds_left(history, waiting, since) if nodes else None,
        "host": str(found["process"]["host"]),
        "updated_at": str(found["updated_at"]),
    }


def _running(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Nodes in the order in which they began; older releases ran one at a time and named it alone."""
    current = found["current"]
    return list(found.get("running", [current] if current else []))


def _epoch(epoch: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """`{done, planned, metric, value}`; the metric is the one on validation, or the loss, as on the terminal."""
    if epoch is None:
        return None
    logs = epoch["logs"]
    shown = [name for name in logs if name.startswith("val_") and not name.endswith("loss")]
    name = next(iter([*shown, *(name for name in ("val_loss", "loss") if name in logs)]), None)
    return {
        "done": int(epoch["done"]),
        "planned": int(epoch["planned"]),
        "metric": None if name is None else name.removeprefix("val_"),
        "value": None if name is None else float(logs[name]),
    }

"""How long nodes took in earlier runs of a workspace."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path

_RUNS = 20


def seconds_by_node(runs: Path) -> dict[str, float]:
    """Seconds that each node took when it last ran to its end, by id; those taken from the cache tell nothing.

    Args:
        runs: The folder of runs. A summary that cannot be read is passed over.
    """
    found: dict[str, float] = {}
    for path in sorted(runs.glob("*/summary.json"), reverse=True)[:_RUNS]:
        try:
            nodes = json.loads(path.read_text(encoding="utf-8"))["nodes"]
            ran = {node["id"]: float(node["seconds"]) for node in nodes if node["status"] == "complete"}
        except (OSError, ValueError, KeyError, TypeError):
            continue
        found = ran | found
    return found


def seconds_left(history: Mapping[str, float], waiting: Collection[str], running: Mapping[str, float]) -> float | None:
    """How long the rest of a run takes if nothing of it comes from the cache; `None`: history does not tell.

    Args:
        history: As from `seconds_by_node`.
        waiting: Ids of the nodes that did not begin.
        running: Id of the node that runs -> seconds since it began.
    """
    if any(node_id not in history for node_id in (*waiting, *running)):
        return None
    left = sum(max(0.0, history[node_id] - since) for node_id, since in running.items())
    return left + sum(history[node_id] for node_id in waiting)

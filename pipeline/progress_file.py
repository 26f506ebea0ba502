"""`progress.json` in the folder of a run: how far it is, for whoever looks from outside of its process."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.durable import replace_json
from pipeline.processes import this_process
from pipeline.workspace import now

if TYPE_CHECKING:
    from pipeline.runner import NodeResult

FILE = "progress.json"

_SECONDS_BETWEEN_EPOCHS = 1.0


class ProgressFile:
    """Written at once, again whenever a node begins or ends, and after epochs at most once a second.

    That it cannot be written, on a full disk, is no fault of the run: nodes that need the disk say so themselves.

    Args:
        folder: Folder of the run, which exists.
        run_id: Its id.
        name: Name of the pipeline.
        monotonic: Tells seconds.
    """

    def __init__(self, folder: Path, run_id: str, name: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = folder / FILE
        self._monotonic = monotonic
        self._nodes: dict[str, dict[str, Any]] = {}
        self._facts: dict[str, Any] = {
            "schema_version": 1,
            "run_id": run_id,
            "name": name,
            "process": this_process(),
            "started_at": now(),
            "current": None,
            "running": [],
        }
        self._write()

    def plan(self, order: Sequence[str], notes: Mapping[str, str], history: Mapping[str, float]) -> None:
        """The graph is compiled.

        Args:
            order: Ids of all nodes in the order in which they will run.
            notes: A few words about nodes, by id.
            history: Seconds by node id in earlier runs.
        """
        self._nodes = {
            node_id: {
                "id": node_id,
                "note": notes.get(node_id, ""),
                "status": "waiting",
                "seconds": None,
                "expected_seconds": history.get(node_id),
            }
            for node_id in order
        }
        self._write()

    def start(self, node_id: str) -> None:
        """A node begins."""
        self._nodes[node_id]["status"] = "running"
        self._set_running([*self._facts["running"], {"id": node_id, "since": time.time(), "epoch": None}])
        self._write()

    def epoch(self, node_id: str, done: int, planned: int, logs: Mapping[str, float]) -> None:
        """A running node finished an epoch."""
        node = next((one for one in self._facts["running"] if one["id"] == node_id), None)
        if node is None:
            return
        measured = {name: float(value) for name, value in logs.items() if math.isfinite(value)}
        node["epoch"] = {"done": done, "planned": planned, "logs": measured}
        if self._monotonic() - self._written >= _SECONDS_BETWEEN_EPOCHS:
            self._write()

    def end(self, result: "NodeResult") -> None:
        """A node ended, or was passed over."""
        seconds = None if result.seconds is None else round(result.seconds, 3)
        self._nodes[result.id] |= {"status": str(result.state), "seconds": seconds}
        self._set_running([one for one in self._facts["running"] if one["id"] != result.id])
        self._write()

    def close(self) -> None:
        """No node follows; the file stays until the summary stands beside it."""

    def remove(self) -> None:
        """The run is over: its summary tells the rest."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _set_running(self, running: list[dict[str, Any]]) -> None:
        """In the order in which they began; the first is the one that most people want to know of."""
        self._facts |= {"running": running, "current": running[0] if running else None}

    def _write(self) -> None:
        self._written = self._monotonic()
        with suppress(OSError):
            replace_json(
                self._path, {**self._facts, "updated_at": now(), "nodes": list(self._nodes.values())}, flushed=False
            )

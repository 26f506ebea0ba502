"""Everything that the page of a workspace shows, read from its files; nothing is locked, written or imported for it."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from components.cycles.record import Record, Status
from pipeline.config import Config
from pipeline.cycles import history as cycle_history
from pipeline.overview.gist import gist
from pipeline.overview.running import unfinished
from pipeline.overview.versions import Versions, read_versions
from pipeline.workspace import Workspace, now
from registry import Registry
from registry.storage import is_uri

_SECONDS_BETWEEN_LOOKS = 30.0
"""At a registry on an object store, which may be slow and cost money."""


class Overview:
    """Reads a workspace again and again; what has not changed is read once.

    Args:
        config: The configuration.
        monotonic: Tells seconds.
    """

    def __init__(self, config: Config, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._workspace = Workspace(config.workspace)
        self._monotonic = monotonic
        self._gists: dict[Path, tuple[tuple[int, int, int], dict[str, Any]]] = {}
        self._versions: tuple[float, Versions] | None = None

    def collect(self) -> dict[str, Any]:
        """The workspace as it is now.

        Returns:
            `{name, workspace, config, made_at, key, runs, running, registry, notes}`; `runs` (newest first) as from
            `gist` and `unfinished`, with `cycle`, `report` and `summary` (links, or None) added; `running` those that
            go on. `key` stays the same as long as nothing but the progress of running runs changes.
        """
        notes: list[str] = []
        rows = self._rows(notes)
        versions = self._registry()
        notes += versions.notes
        runs = [row for row in rows if row["state"] != "running"]
        running = [row for row in rows if row["state"] == "running"]
        found: dict[str, Any] = {
            "name": self._config.name,
            "workspace": str(self._workspace.root),
            "config": self._config.file,
            "runs": runs,
            "registry": {"current": versions.current, "versions": versions.rows, "events": versions.events},
            "notes": notes,
        }
        steady = [found, [row["run_id"] for row in running]]
        key = hashlib.sha256(json.dumps(steady, sort_keys=True, default=str).encode()).hexdigest()[:16]
        return {**found, "running": running, "made_at": now(), "key": key}

    def _rows(self, notes: list[str]) -> list[dict[str, Any]]:
        """All runs and all cycles without one, newest first."""
        records, unreadable = cycle_history.read(self._workspace.root / "cycles")
        notes += [f"the record of cycle {number} cannot be read" for number in unreadable]
        cycles = {record.run_id: record for record in records}
        rows = {row["run_id"]: row for row in self._runs(notes)}
        for run_id, record in cycles.items():
            row = rows.setdefault(run_id, _without_run(record))
            row["cycle"] = _cycle(record)
            if row["state"] == "unfinished":
                row["state"], row["why"] = str(record.status), record.error or ""
            elif record.status in (Status.REFUSED, Status.NO_DRIFT):
                row["state"] = str(record.status)
        # Ids begin with the time; those of other origin go by the time that they tell.
        return sorted(rows.values(), key=lambda row: (row["started_at"] or "", row["run_id"]), reverse=True)

    def _runs(self, notes: list[str]) -> list[dict[str, Any]]:
        try:
            folders = sorted(path for path in self._workspace.runs.iterdir() if path.is_dir())
        except FileNotFoundError:
            return []
        except OSError as error:
            notes.append(f"{self._workspace.runs} cannot be read: {error.strerror}")
            return []
        return [row for folder in folders if (row := self._run(folder, notes)) is not None]

    def _run(self, folder: Path, notes: list[str]) -> dict[str, Any] | None:
        try:
            row = self._gist(folder / "summary.json")
        except FileNotFoundError:
            return {**unfinished(folder), **_no_numbers(), "cycle": None, "report": None, "summary": None}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            notes.append(f"the summary of run {folder.name} cannot be read, so that it is left out here")
            return None
        report = f"runs/{folder.name}/report.html" if (folder / "report.html").is_file() else None
        return {
            **row,
            "run_id": folder.name,
            "cycle": None,
            "progress": None,
            "report": report,
            "summary": f"runs/{folder.name}/summary.json",
        }

    def _gist(self, path: Path) -> dict[str, Any]:
        status = path.stat()
        stamp = status.st_mtime_ns, status.st_size, status.st_ino
        known = self._gists.get(path)
        if known is None or known[0] != stamp:
            known = self._gists[path] = stamp, gist(json.loads(path.read_bytes()))
        return dict(known[1])

    def _registry(self) -> Versions:
        """On a disk read every time."""
        place = self._config.registry
        if self._versions is not None and is_uri(place):
            read_at, versions = self._versions
            if self._monotonic() - read_at < _SECONDS_BETWEEN_LOOKS:
                return versions
        versions = read_versions(Registry(place))
        self._versions = self._monotonic(), versions
        return versions


def _cycle(record: Record) -> dict[str, Any]:
    return {"number": record.number, "reasons": "; ".join(record.reasons), "status": str(record.status)}


def _without_run(record: Record) -> dict[str, Any]:
    """A cycle that ended before its run had a folder, or whose run was removed."""
    return {
        **_no_numbers(),
        "run_id": record.run_id,
        "name": None,
        "state": str(record.status),
        "started_at": record.started_at,
        "seconds": record.seconds,
        "why": record.error or "",
        "progress": None,
        "report": None,
        "summary": None,
    }


def _no_numbers() -> Mapping[str, Any]:
    """What `gist` tells, of a run that tells nothing."""
    names = (
        "finished_at",
        "seconds",
        "metric",
        "metric_title",
        "baseline",
        "baseline_gzip_bytes",
        "variant",
        "value",
        "drop",
        "drop_ci",
        "limit",
        "size_bytes",
        "gzip_bytes",
        "latency_ms",
        "drift",
        "drift_feature",
        "drift_notice",
        "pushed_version",
    )
    return {**dict.fromkeys(names), "higher_is_better": True, "selected": False, "spans": []}

"""One cycle: take the fingerprint, decide, run, and write down what became of it. Needs no TensorFlow to decide."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.champion_version import find_champion
from components.cycles.decision import Decision, decide
from components.cycles.fingerprint import Fingerprint
from components.cycles.record import Record, Status, measured
from pipeline import local, preflight
from pipeline.config import Config
from pipeline.console import Console
from pipeline.cycles import owner
from pipeline.cycles.fingerprint import HashCache, take
from pipeline.cycles.records import Records
from pipeline.durable import replace_json
from pipeline.errors import EdgeError, WorkspaceInUse
from pipeline.workspace import Workspace, new_run_id, now
from registry import Registry, RegistryError

CHECKED_FILE = "last-check.json"
"""Beside the records, when it was last looked for something new; a look that finds nothing makes no record."""


@dataclass(frozen=True)
class Ended:
    """A cycle that came to its end.

    Attributes:
        decision: Whether it ran, and why.
        record: What became of it; None when there was nothing new.
        finished: Its run, when that got as far as to its first node.
        error: What ended it before that.
    """

    decision: Decision
    record: Record | None = None
    finished: local.Finished | None = None
    error: EdgeError | None = None


def records_of(config: Config) -> Records:
    """The records of a configuration's workspace."""
    return Records(folder_of(config))


def folder_of(config: Config) -> Path:
    """Folder of all that cycles keep."""
    return Workspace(config.workspace).root / "cycles"


def look(config: Config, records: Sequence[Record], *, forced: bool) -> tuple[Decision, Fingerprint]:
    """Whether there is anything to do; changes nothing but the cache of hashes.

    Raises:
        UserError: There are no data to read.
        OSError: The workspace cannot be written.
    """
    folder = folder_of(config)
    folder.mkdir(parents=True, exist_ok=True)
    cache = HashCache(folder / "hashes.json")
    fingerprint = take(config, cache)
    cache.save()
    return decide(fingerprint, records, forced=forced), fingerprint


def run_cycle(config: Config, console: Console, *, forced: bool) -> Ended:
    """Decides, and runs when there is something new.

    Args:
        config: The configuration.
        console: For people, or silent.
        forced: Run although nothing is new.

    Raises:
        UserError: Data or model module are wrong, or the workspace cannot be written.
        WorkspaceInUse: Another cycle, or another run, is at work.
    """
    root = Workspace(config.workspace).root
    with owner.held(root, "cycle", "run a cycle") as dead:
        if dead is not None:
            console.warn(f"the lock of cycles was held by {dead}, which is dead: it is taken over")
        preflight.check(config)
        try:
            records = records_of(config).settle()
            decision, fingerprint = look(config, records, forced=forced)
            if not decision.runs:
                note_check(config, decision)
                return Ended(decision)
            begun = _begin(config, decision, fingerprint)
        except OSError as error:
            raise owner.unwritable(root, error) from error
        console.say(f"{begun.title}: {'; '.join(decision.reasons)}")
        return _Cycle(config, console, decision, begun).run()


def note_check(config: Config, decision: Decision) -> None:
    """Notes when it was last looked, and that nothing new was found."""
    replace_json(folder_of(config) / CHECKED_FILE, {"at": now(), "found": decision.reasons[0]}, flushed=False)


def _begin(config: Config, decision: Decision, fingerprint: Fingerprint) -> Record:
    records = records_of(config)
    begun = Record(
        number=max(records.numbers(), default=0) + 1,
        status=Status.RUNNING,
        reasons=decision.reasons,
        fingerprint=fingerprint,
        run_id=new_run_id(),
        process=owner.this_process(),
        started_at=now(),
        champion=_champion(config),
    )
    records.write(begun)
    return begun


def _champion(config: Config) -> int | None:
    try:
        current = find_champion(Registry(config.registry))
    except RegistryError:
        return None  # the node that reads or pushes it will say so
    return None if current is None else current.version


class _Cycle:
    def __init__(self, config: Config, console: Console, decision: Decision, begun: Record) -> None:
        self._config = config
        self._console = console
        self._decision = decision
        self._begun = begun
        self._begin = time.monotonic()
        self._without_drift = False

    def run(self) -> Ended:
        """Runs the pipeline and closes the record."""
        try:
            finished = self._measure_drift()
            if finished is None:
                finished = local.run(self._config, self._console, local.Request(), run_id=self._begun.run_id)
        except WorkspaceInUse:
            # Nothing began, so there is nothing to remember.
            records_of(self._config).remove(self._begun)
            raise
        except EdgeError as error:
            status = Status.INTERRUPTED if error.exit_code in (130, 143) else Status.FAILED
            record = self._close(status=status, exit_code=error.exit_code, error=str(error))
            return Ended(self._decision, record, error=error)
        facts = _facts(finished) | {"run_id": finished.summary["run_id"]}
        if self._without_drift:
            facts["status"] = Status.NO_DRIFT
        return Ended(self._decision, self._close(**facts), finished)

    def _measure_drift(self) -> local.Finished | None:
        """With `cycle.trigger: drift`, a run that ends where drift is known; None when there is enough to train."""
        if self._config.cycle.trigger != "drift" or not self._decision.data_alone:
            return None
        finished = local.run(self._config, self._console, local.Request(end="data-guard"))
        drift = (finished.summary["data"] or {}).get("drift")
        if finished.summary["exit_code"] or finished.failures:
            return finished
        if drift is not None and drift["noticed"]:
            self._console.say(f"drift of {drift['feature']}: {drift['distance']:.3g}, {drift['against']}")
            return None
        self._without_drift = True
        return finished

    def _close(self, **facts: Any) -> Record:
        seconds = round(time.monotonic() - self._begin, 1)
        record = replace(self._begun, ended_at=now(), seconds=seconds, **facts)
        try:
            records_of(self._config).write(record)
        except OSError as error:
            # The next cycle takes this one for killed and runs again, mostly from the cache.
            self._console.warn(f"what became of {record.title} must be written down, but that gave: {error.strerror}")
        return record


def _facts(finished: local.Finished) -> dict[str, Any]:
    """What a record keeps of a run."""
    summary = finished.summary
    code, status = summary["exit_code"], Status(summary["status"])
    if code in (130, 143):
        status = Status.INTERRUPTED
    elif status is Status.FAILED and finished.refused:
        status = Status.REFUSED
    return {
        "status": status,
        "exit_code": code,
        "measured": measured(summary),
        "pushed_version": (summary["pushed"] or {}).get("version"),
        "error": "; ".join(finished.failures) if code else None,
    }

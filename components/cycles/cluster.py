"""A cycle on a cluster, from ingest, which decides, to the record of what became of it.

Ingest leaves a note beside the examples, from which later nodes write the record. What the compiled pipeline knows of
its cycles (`Order`) is an execution property of ingest alone.
"""

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from components.champion_version import find_champion
from components.cycles.decision import Decision, decide
from components.cycles.fingerprint import Fingerprint, data_files
from components.cycles.kept import KeptRecords
from components.cycles.record import Record, Status
from components.ingest_spec import IngestSpec
from registry import Registry
from registry.remote import remote_uri

FORCED = {"force": "yes"}
"""Parameters of a run that goes on although nothing is new; text, because TFX drops a default that is zero."""

NOTE_FILE = "cycle.json"
"""Beside the splits of ingest's output."""


@dataclass(frozen=True)
class Order:
    """What is known of cycles when a pipeline is compiled.

    Attributes:
        registry: Where records are kept, and the champion is.
        fingerprint: Of code and configuration; its files are found when ingest runs.
    """

    registry: str
    fingerprint: Fingerprint

    def to_json(self) -> str:
        """Canonical JSON; `{{` in the user's text would be taken for a placeholder on Kubeflow."""
        text = json.dumps({**asdict(self), "fingerprint": self.fingerprint.to_dict()}, sort_keys=True)
        return text.replace("{{", "{\\u007b")

    @classmethod
    def from_json(cls, text: str) -> "Order":
        """The inverse of `to_json`."""
        value = json.loads(text)
        return cls(**{**value, "fingerprint": Fingerprint.from_dict(value["fingerprint"])})


@dataclass(frozen=True)
class Note:
    """A cycle that ingest has begun.

    Attributes:
        registry: Where its record will be kept.
        decision: Whether it runs, and why.
        begun: Its record so far.
    """

    registry: str
    decision: Decision
    begun: Record

    def to_json(self) -> str:
        """As JSON."""
        return json.dumps({"registry": self.registry, "decision": asdict(self.decision), "begun": self.begun.to_dict()})

    @classmethod
    def from_json(cls, text: str) -> "Note":
        """The inverse of `to_json`."""
        value = json.loads(text)
        decision = Decision(**{**value["decision"], "reasons": tuple(value["decision"]["reasons"])})
        return cls(value["registry"], decision, Record.from_dict(value["begun"]))

    def close(self, status: Status, **facts: Any) -> Record:
        """Keeps the record of what became of it; once, however often a task is tried.

        Args:
            status: How it ended.
            facts: Further attributes of the record.

        Raises:
            RegistryError: The registry cannot be written.
        """
        ended = datetime.now(UTC)
        seconds = (ended - datetime.fromisoformat(self.begun.started_at)).total_seconds()
        closed = replace(self.begun, status=status, ended_at=_text(ended), seconds=round(seconds, 1), **facts)
        return KeptRecords(self.registry).add(closed)

    def refuse(self, error: str) -> Record:
        """Keeps that its data were refused, so that the next run does not try them again.

        Args:
            error: Why, in one sentence.

        Raises:
            RegistryError: The registry cannot be written.
        """
        return self.close(Status.REFUSED, exit_code=1, error=error)

    @property
    def properties(self) -> Mapping[str, int | str]:
        """What conditions of the cluster read: `new` (1 or 0) and `reason`, in words."""
        return {"new": int(self.decision.runs), "reason": "; ".join(self.decision.reasons)}


def begin(order: Order, spec: IngestSpec, examples_uri: str, *, forced: bool = False) -> Note:
    """Decides whether there is anything new since the last cycle that came to a conclusion.

    Args:
        order: What the compiled pipeline says.
        spec: What ingest would read, its files resolved.
        examples_uri: Where ingest writes, on this machine.
        forced: Run although nothing is new.

    Raises:
        RegistryError: The registry cannot be read.
    """
    examples = remote_uri(examples_uri)
    fingerprint = replace(order.fingerprint, files=data_files(spec))
    champion = find_champion(Registry(order.registry))
    decision = decide(fingerprint, KeptRecords(order.registry).recent(but=examples), forced=forced)
    begun = Record(
        number=0,  # given when it is kept
        status=Status.RUNNING,
        reasons=decision.reasons,
        fingerprint=fingerprint,
        run_id="",
        process={"pid": os.getpid(), "host": socket.gethostname()},
        started_at=_text(datetime.now(UTC)),
        champion=None if champion is None else champion.version,
        examples=examples,
    )
    return Note(order.registry, decision, begun)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")

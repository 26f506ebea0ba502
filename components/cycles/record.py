"""What is kept of a cycle, in the workspace of this machine or in the registry of a cluster."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from components.cycles.fingerprint import Fingerprint


class Status(StrEnum):
    """How far a cycle came."""

    RUNNING = "running"
    PUSHED = "pushed"
    BLOCKED = "blocked"
    REFUSED = "refused"
    NO_DRIFT = "no_drift"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    KILLED = "killed"


CONCLUSIVE = {Status.PUSHED, Status.BLOCKED, Status.REFUSED, Status.NO_DRIFT}
"""Ends that would be the same again: a model was judged, its data were refused, or they did not drift."""

_ENDINGS = {
    Status.RUNNING: "is running",
    Status.BLOCKED: "blocked",
    Status.REFUSED: "its data were refused",
    Status.NO_DRIFT: "found no drift",
    Status.FAILED: "failed",
    Status.INTERRUPTED: "was interrupted",
    Status.KILLED: "was killed",
}


@dataclass(frozen=True)
class Measured:
    """What a run measured; None where it did not.

    Attributes:
        metric: The gate's metric.
        value: Of the model that was selected.
        baseline: Of the float model.
        selected: Name of the variant.
        size_bytes: Of its file.
        gzip_bytes: Of its file after gzip.
        drift: `data.drift` of the summary.
    """

    metric: str | None = None
    value: float | None = None
    baseline: float | None = None
    selected: str | None = None
    size_bytes: int | None = None
    gzip_bytes: int | None = None
    drift: dict[str, Any] | None = None


@dataclass(frozen=True)
class Record:
    """One cycle.

    Attributes:
        number: 1 for the first.
        status: How far it came.
        reasons: Why it ran.
        fingerprint: What it depended on.
        run_id: Id of its run.
        process: `{pid, host}` of the process that ran it.
        started_at: UTC, ISO 8601.
        ended_at: Likewise; None while it runs, and for ever when it was killed.
        seconds: How long it took.
        exit_code: Of its run.
        measured: What its run measured.
        champion: Number of the registry's current version before it; None without one.
        pushed_version: Number of the version that it pushed.
        error: Why it did not end well, in one sentence.
        examples: On a cluster, URI of what its ingest wrote: a task that is tried again is told from another run by it.
    """

    number: int
    status: Status
    reasons: tuple[str, ...]
    fingerprint: Fingerprint
    run_id: str
    process: Mapping[str, Any]
    started_at: str
    champion: int | None = None
    ended_at: str | None = None
    seconds: float | None = None
    exit_code: int | None = None
    measured: Measured = field(default_factory=Measured)
    pushed_version: int | None = None
    error: str | None = None
    examples: str | None = None

    @property
    def is_conclusive(self) -> bool:
        """Whether another cycle on the same data, code and configuration would end the same way."""
        return self.status in CONCLUSIVE

    @property
    def title(self) -> str:
        """Its name in messages."""
        return f"cycle {self.number}"

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        return f"pushed version {self.pushed_version}" if self.status is Status.PUSHED else _ENDINGS[self.status]

    @property
    def spans(self) -> list[int]:
        """Numbers of the spans that it read, sorted."""
        return sorted({file.span for file in self.fingerprint.files if file.span is not None})

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {**asdict(self), "fingerprint": self.fingerprint.to_dict()}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Record":
        """The inverse of `to_dict`.

        Raises:
            KeyError, TypeError, ValueError: Something else was given.
        """
        return cls(
            **{
                **value,
                "status": Status(value["status"]),
                "reasons": tuple(value["reasons"]),
                "fingerprint": Fingerprint.from_dict(value["fingerprint"]),
                "measured": Measured(**value["measured"]),
            }
        )


def measured(summary: dict[str, Any]) -> Measured:
    """The numbers of a run that its history keeps: those of the variant that was selected."""
    baseline = summary["baseline"] or {}
    variants: Sequence[dict[str, Any]] = summary["variants"]
    find: Callable[[str], Any] = next(
        (variant for variant in variants if variant["name"] == summary["selected"]), {}
    ).get
    return Measured(
        metric=baseline.get("metric"),
        value=find("value"),
        baseline=baseline.get("value"),
        selected=summary["selected"],
        size_bytes=find("size_bytes"),
        gzip_bytes=find("gzip_bytes"),
        drift=(summary.get("data") or {}).get("drift"),
    )

"""What cycles came to, told from their records."""

import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.cycles.record import Record, Status
from pipeline.cycles.records import Records
from pipeline.durable import read_json

if TYPE_CHECKING:
    from rich.table import Table

_COLUMNS = ("cycle", "started", "status", "spans", "metric", "value", "baseline", "bytes", "drift", "version", "why")
_RIGHT = {"cycle", "value", "baseline", "bytes", "drift", "version"}


def read(folder: Path) -> tuple[list[Record], list[int]]:
    """All cycles of a workspace, oldest first, and the numbers of those whose records cannot be read.

    One that has no end and no process any more is told as killed: the next cycle will write that down.

    Args:
        folder: Folder of the records.
    """
    records = Records(folder)
    found = records.all()
    unreadable = sorted(set(records.numbers()) - {record.number for record in found})
    return [_as_it_is(record) for record in found], unreadable


def _as_it_is(record: Record) -> Record:
    if record.status is not Status.RUNNING or _lives(record.process):
        return record
    return replace(record, status=Status.KILLED, error=f"its process {record.process.get('pid')} is gone")


def _lives(process: Any) -> bool:  # noqa: ANN401 - as it stands in a record
    if process.get("host") != socket.gethostname():
        return True  # nothing to be known from here
    try:
        os.kill(int(process["pid"]), 0)
    except PermissionError:
        return True
    except (OSError, KeyError, TypeError, ValueError):
        return False
    return True


def last_check(folder: Path) -> dict[str, Any] | None:
    """`{at, found}` of the last look that found nothing new; None when there was none."""
    return read_json(folder / "last-check.json")


def row(record: Record) -> dict[str, Any]:
    """A record without its fingerprint, of which the spans alone are told."""
    values = record.to_dict()
    del values["fingerprint"]
    return {**values, "spans": record.spans}


def spans_text(spans: Sequence[int]) -> str:
    """Numbers with runs drawn together.

    >>> spans_text([2, 3, 4, 7])
    '2-4, 7'
    """
    runs: list[list[int]] = []
    for span in spans:
        if runs and span == runs[-1][-1] + 1:
            runs[-1].append(span)
        else:
            runs.append([span])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs) or "-"


def table(records: Sequence[Record]) -> "Table":
    """One row for each cycle, newest first."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, header_style="bold", pad_edge=False)
    for title in _COLUMNS:
        made.add_column(title, no_wrap=title != "why", justify="right" if title in _RIGHT else "left")
    for record in reversed(records):
        made.add_row(*(Text(cell) for cell in _cells(record)))
    return made


def _cells(record: Record) -> Iterator[str]:
    found = record.measured
    yield str(record.number)
    yield record.started_at[:19].replace("T", " ")
    yield record.status
    yield spans_text(record.spans)
    yield found.metric or "-"
    yield "-" if found.value is None else f"{found.value:.4f}"
    yield "-" if found.baseline is None else f"{found.baseline:.4f}"
    yield "-" if found.size_bytes is None else f"{found.size_bytes:,}"
    yield drift_text(found.drift)
    yield "-" if record.pushed_version is None else f"v{record.pushed_version}"
    yield "; ".join(record.reasons)


def drift_text(drift: Any) -> str:  # noqa: ANN401 - as it stands in a summary
    """The distance and the feature that drifted most; `-` where it was not measured."""
    distance = drift.get("distance") if isinstance(drift, dict) else None
    if not isinstance(distance, int | float):
        return "-"
    return f"{distance:.3g} {drift.get('feature') or ''}".rstrip()


def errors(records: Sequence[Record], unreadable: Sequence[int]) -> list[str]:
    """Why cycles did not end well, newest first; a line for each record that cannot be read."""
    told = [f"{record.title} ({record.status}): {record.error}" for record in reversed(records) if record.error]
    return [*told, *(f"the record of cycle {number} cannot be read" for number in unreadable)]

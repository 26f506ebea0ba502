"""The records of cycles that run on a cluster: kept in the registry, where each run finds those before it."""

from collections.abc import Iterator
from dataclasses import replace

from components.cycles.record import Record
from registry import Registry
from registry.notes import Notes

FOLDER = "cycles"


class KeptRecords:
    """`<registry>/cycles/<number>.json`, each created when a cycle came to its conclusion.

    Args:
        registry: A folder, or any URI that fsspec knows.
    """

    def __init__(self, registry: str) -> None:
        self._notes = Notes(Registry(registry).storage, FOLDER)

    def recent(self, *, but: str = "") -> list[Record]:
        """The newest records back to the last that came to a conclusion, oldest first; all that a decision needs.

        Args:
            but: Leave out those of the run whose ingest wrote to this URI: a task that is tried again decides as at
                first.

        Raises:
            RegistryError: The registry cannot be read.
        """
        found: list[Record] = []
        for record in self._newest_first():
            if but and record.examples == but:
                continue
            found.append(record)
            if record.is_conclusive:
                break
        return found[::-1]

    def all(self) -> list[Record]:
        """All that can be read, oldest first.

        Raises:
            RegistryError: The registry cannot be read.
        """
        return self.read()[0]

    def read(self) -> tuple[list[Record], list[int]]:
        """All that can be read, oldest first, and the numbers of the rest.

        Raises:
            RegistryError: The registry cannot be read.
        """
        numbers = self._notes.numbers()
        found = {number: self._record(number) for number in numbers}
        return [record for record in found.values() if record], [number for number in numbers if not found[number]]

    def add(self, record: Record) -> Record:
        """Keeps a record under the next free number, but for one that this run has written already.

        After a conclusion of the same run, such as refused data, one that says less is not kept: that the run failed.

        Raises:
            RegistryError: The registry cannot be written.
        """
        for kept in self._newest_first():
            if kept.examples == record.examples and (kept.status is record.status or not record.is_conclusive):
                return kept
            if kept.started_at < record.started_at:
                break  # no later one can be of this run
        number = self._notes.add(lambda free: replace(record, number=free).to_dict())
        return replace(record, number=number)

    def _newest_first(self) -> Iterator[Record]:
        return filter(None, map(self._record, reversed(self._notes.numbers())))

    def _record(self, number: int) -> Record | None:
        """One record; `None` when somebody edited it so that it says nothing."""
        value = self._notes.read(number)
        try:
            return None if value is None else Record.from_dict(value)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

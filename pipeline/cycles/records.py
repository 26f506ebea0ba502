"""What became of every cycle: one file each, written when it begins and again when it has ended."""

from dataclasses import replace
from pathlib import Path

from components.cycles.record import Record, Status
from pipeline.durable import read_json, replace_json


class Records:
    """The records of a workspace.

    Args:
        folder: Where they stand; `write` makes it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def numbers(self) -> list[int]:
        """Numbers of all cycles, unreadable ones included, oldest first."""
        return sorted(int(path.stem) for path in self._folder.glob("*.json") if path.stem.isdecimal())

    def all(self) -> list[Record]:
        """All that can be read, oldest first."""
        return [record for number in self.numbers() if (record := self.read(number)) is not None]

    def read(self, number: int) -> Record | None:
        """One record; None when it cannot be read, which no kill can cause."""
        value = read_json(self._folder / f"{number}.json")
        try:
            return None if value is None else Record.from_dict(value)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def write(self, record: Record) -> None:
        """Writes a record whole.

        Raises:
            OSError: The disk is full, or the folder cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        replace_json(self._folder / f"{record.number}.json", record.to_dict())

    def remove(self, record: Record) -> None:
        """Takes back the record of a cycle that could not begin."""
        (self._folder / f"{record.number}.json").unlink(missing_ok=True)

    def settle(self) -> list[Record]:
        """Under the lock of cycles: all records; those without an end are of killed cycles, and say so from now on.

        Raises:
            OSError: The disk is full, or the folder cannot be written.
        """
        return [self._settled(record) for record in self.all()]

    def _settled(self, record: Record) -> Record:
        if record.status is not Status.RUNNING:
            return record
        pid = record.process["pid"]
        killed = replace(record, status=Status.KILLED, error=f"its process {pid} ended without a word")
        self.write(killed)
        return killed

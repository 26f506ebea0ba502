"""A registry in a folder: everything is written beside its place, flushed and renamed.

ROOT/versions/<n>/...      a version
ROOT/NAME                  small files, such as current.json
"""

import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from registry.atomic import flush_folder, write_flushed
from registry.errors import RegistryError
from registry.storage import CURRENT, StateFiles

_INCOMING = ".incoming-"
_NUMBER = re.compile(r"[1-9][0-9]*")


class FolderStorage:
    """Versions under a folder, which the first writer makes.

    Args:
        root: The folder.
        lock_timeout_seconds: How long a writer waits for another one to end.
    """

    def __init__(self, root: Path, lock_timeout_seconds: float) -> None:
        self.root = root
        self.uri = str(root)
        self._versions = root / "versions"
        self._lock_timeout_seconds = lock_timeout_seconds

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other writers out; the lock of a process that died is free."""
        self._versions.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / ".lock", timeout=self._lock_timeout_seconds)
        try:
            lock.acquire()
        except Timeout as error:
            raise RegistryError(
                f"One push at a time can write {self.root}; another one has held {self.root / '.lock'} for "
                f"{self._lock_timeout_seconds:g} s. Wait until it has ended, or end it, and push again."
            ) from error
        try:
            yield
        finally:
            lock.release()

    def numbers(self) -> list[int]:
        """Numbers of all versions, oldest first."""
        if not self._versions.is_dir():
            return []
        return sorted(int(entry.name) for entry in self._versions.iterdir() if _NUMBER.fullmatch(entry.name))

    def names(self, number: int) -> list[str]:
        """Names of the files of a version."""
        folder = self._versions / str(number)
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def read(self, number: int, name: str) -> bytes:
        """A file of a version."""
        return (self._versions / str(number) / name).read_bytes()

    def place(self, number: int) -> str:
        """Path of the folder of a version."""
        return str(self._versions / str(number))

    def commit(self, number: int, files: Mapping[str, bytes], state: StateFiles) -> None:
        """Writes all of it beside, so that a full disk shows nothing; renames then make it visible."""
        place, incoming = self._versions / str(number), self._incoming()
        if place.exists():
            raise FileExistsError(str(place))
        try:
            incoming.mkdir()
            for name, content in files.items():
                write_flushed(incoming / name, content)
            flush_folder(incoming)
            # Written before anything is visible, so that the steps below need no more room on the disk.
            beside = self._write_state(state)
            incoming.rename(place)
            flush_folder(self._versions)
            self._publish(beside)
        finally:
            self.remove_leftovers()

    def publish(self, state: StateFiles) -> None:
        """Replaces the pointer, and keeps what was done."""
        try:
            self._publish(self._write_state(state))
        finally:
            self.remove_leftovers()

    def remove(self, number: int) -> None:
        """Renames a version away, which nobody sees from then on, and removes its files."""
        hidden = self._incoming()
        (self._versions / str(number)).rename(hidden)
        flush_folder(self._versions)
        shutil.rmtree(hidden)

    def remove_leftovers(self) -> None:
        """Removes what a killed writer left; called under the lock, so that nobody is writing there now."""
        for entry in self._versions.glob(f"{_INCOMING}*"):
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

    def get(self, name: str) -> bytes:
        """A small file."""
        return (self.root / name).read_bytes()

    def create(self, name: str, content: bytes) -> bool:
        """Makes a small file; the lock keeps others from doing the same."""
        if (self.root / name).exists():
            return False
        try:
            self._publish({name: self._write_beside(content)})
        finally:
            self.remove_leftovers()
        return True

    def listed(self, folder: str) -> list[str]:
        """Names of the small files in a folder."""
        path = self.root / folder
        return sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []

    def _write_beside(self, content: bytes) -> Path:
        beside = self._incoming()
        write_flushed(beside, content)
        return beside

    def _write_state(self, state: StateFiles) -> dict[str, Path]:
        """The pointer first: it holds what was done too, and who is killed in between leaves nothing untold."""
        return {name: self._write_beside(state.content) for name in (CURRENT, state.event_name)}

    def _publish(self, beside: Mapping[str, Path]) -> None:
        for name, path in beside.items():
            place = self.root / name
            place.parent.mkdir(exist_ok=True)
            path.replace(place)
            flush_folder(place.parent)

    def _incoming(self) -> Path:
        return self._versions / f"{_INCOMING}{uuid.uuid4().hex}"

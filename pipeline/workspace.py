"""The workspace: where runs leave metadata, artifacts, summaries and the registry, and who may write there now."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline.errors import UserError, WorkspaceInUse


class Workspace:
    """Paths of a workspace; relative to nothing, because TFX records them.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.metadata = self.root / "metadata.sqlite"
        self.artifacts = self.root / "artifacts"
        self.runs = self.root / "runs"
        self.tensorboard = self.root / "tensorboard"
        self._owner = self.root / "owner.json"

    def run_folder(self, run_id: str) -> Path:
        """Folder of one run's summary and log."""
        return self.runs / run_id

    @contextmanager
    def locked(self, run_id: str) -> Iterator[None]:
        """Holds the workspace: MLMD on SQLite has one writer. The lock of a process that died is free.

        Raises:
            WorkspaceInUse: Another run holds it.
            UserError: It cannot be written.
        """
        lock = FileLock(self.root / ".lock", timeout=0)
        try:
            self.run_folder(run_id).mkdir(parents=True)
            lock.acquire()
            self._owner.write_text(json.dumps({"run_id": run_id, "pid": os.getpid(), "since": now()}))
        except Timeout:
            self.run_folder(run_id).rmdir()
            raise WorkspaceInUse(self._in_use()) from None
        except OSError as error:
            lock.release()
            if self.run_folder(run_id).is_dir():
                self.run_folder(run_id).rmdir()
            raise UserError(
                f"the workspace must be a folder that can be written, but {self.root} is not: {error.strerror}; "
                "mend that, or choose another one with --workspace"
            ) from error
        try:
            yield
        finally:
            # What is left of a run whose workspace can no longer be written is overwritten by the next one.
            with suppress(OSError):
                self._owner.unlink(missing_ok=True)
            lock.release()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds the workspace, which exists, for a command that is no run.

        Raises:
            WorkspaceInUse: A run holds it.
        """
        lock = FileLock(self.root / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise WorkspaceInUse(self._in_use()) from None
        try:
            yield
        finally:
            lock.release()

    def _in_use(self) -> str:
        try:
            owner: dict[str, Any] = json.loads(self._owner.read_text())
            by = f"run {owner['run_id']} (process {owner['pid']}, since {owner['since']})"
        except (OSError, ValueError, KeyError):
            by = "another run"
        return f"the workspace {self.root} is in use by {by}; wait until it has ended, or choose another --workspace"


def now() -> str:
    """The time in UTC, ISO 8601, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_run_id() -> str:
    """An id that sorts by time and is fit for a folder's name."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"

"""A lock with an owner that can be named: one cycle at a time, and one watcher."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline.durable import read_json, replace_json
from pipeline.errors import UserError, WorkspaceInUse
from pipeline.processes import this_process
from pipeline.workspace import now


@contextmanager
def held(root: Path, name: str, what: str) -> Iterator[str | None]:
    """Holds the lock `name` of a workspace; the operating system frees that of a process that died.

    Args:
        root: The workspace.
        name: Name of the lock.
        what: What one process at a time may do: `run a cycle`.

    Yields:
        Who died with the lock in hand, in words; None when nobody did.

    Raises:
        WorkspaceInUse: Another process holds it.
        UserError: The workspace cannot be written.
    """
    owner = root / f"{name}-owner.json"
    lock = FileLock(root / f".{name}.lock", timeout=0)
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        left = read_json(owner)
        replace_json(owner, {**this_process(), "since": now()}, flushed=False)
    except Timeout:
        who = _described(read_json(owner))
        raise WorkspaceInUse(
            f"one process at a time can {what} in {root}, but {who} does; wait until it has ended, or end it"
        ) from None
    except OSError as error:
        lock.release()
        raise unwritable(root, error) from error
    try:
        yield None if left is None else _described(left)
    finally:
        # What is left in a workspace that can no longer be written is taken for a dead owner's by the next.
        with suppress(OSError):
            owner.unlink(missing_ok=True)
        lock.release()


def unwritable(root: Path, error: OSError) -> UserError:
    """The error of a workspace that cannot be written."""
    return UserError(
        f"the workspace must be a folder that can be written, but {root} is not: {error.strerror}; "
        "mend that, or choose another one with --workspace"
    )


def _described(owner: dict[str, Any] | None) -> str:
    try:
        assert owner is not None
        seconds = (datetime.now(UTC) - datetime.fromisoformat(owner["since"])).total_seconds()
        return f"process {owner['pid']} on {owner['host']} (since {owner['since']}, {duration(seconds)} ago)"
    except (AssertionError, KeyError, TypeError, ValueError):
        return "another process"


def duration(seconds: float) -> str:
    """A time span in one unit.

    >>> duration(40), duration(200), duration(7300), duration(200000)
    ('40 s', '3 min', '2 h', '2 days')
    """
    for unit, length in (("days", 86400 * 2), ("h", 7200), ("min", 120)):
        if seconds >= length:
            return f"{int(seconds // (length / 2))} {unit}"
    return f"{max(0, int(seconds))} s"

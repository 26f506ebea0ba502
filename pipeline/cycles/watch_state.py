"""What a watcher tells those who supervise it: a health file for machines, and a log of one JSON object a line."""

import json
import logging
import logging.handlers
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.durable import replace_json
from pipeline.processes import this_process
from pipeline.workspace import now

HEALTH_FILE = "cycle-health.json"
LOG_FILE = "cycle.log"
_LOG_BYTES, _LOGS_KEPT = 1_000_000, 3


class _QuietHandler(logging.handlers.RotatingFileHandler):
    """Loses lines that the disk does not take, where logging would print a traceback for each."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Does nothing."""


class WatchState:
    """The health file and the log of one watcher.

    A full disk must not end a watch: what cannot be written is left out, and a heartbeat that stands still tells.

    Args:
        root: The workspace.
    """

    def __init__(self, root: Path) -> None:
        self._health = root / HEALTH_FILE
        self._facts: dict[str, Any] = {**this_process(), "since": now(), "last_cycle": None, "failures": 0}
        handler = _QuietHandler(root / LOG_FILE, maxBytes=_LOG_BYTES, backupCount=_LOGS_KEPT, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(message)s"))
        # No child of the root logger: what TensorFlow or a test sets up there is no business of ours.
        self._log = logging.Logger("cycle")
        self._log.addHandler(handler)
        self._handler = handler

    def tell(self, state: str, **facts: Any) -> None:
        """Replaces the health file.

        Args:
            state: `waiting`, `running`, `backoff` or `stopped`.
            facts: What changed: `next_at`, `last_cycle`, `failures`.
        """
        self._facts |= {"next_at": None, **facts, "state": state}
        self.beat()

    def beat(self) -> None:
        """Tells that the watcher lives."""
        self._facts["heartbeat"] = now()
        with suppress(OSError):
            replace_json(self._health, self._facts, flushed=False)

    def log(self, event: str, **facts: Any) -> None:
        """Adds a line to the log."""
        self._log.info(json.dumps({"at": now(), "event": event, **facts}))

    def close(self) -> None:
        """Closes the log."""
        with suppress(OSError):
            self._handler.close()


@contextmanager
def opened(root: Path) -> Iterator[WatchState]:
    """The state of a watcher, until it ends."""
    state = WatchState(root)
    try:
        yield state
    finally:
        state.close()

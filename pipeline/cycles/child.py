"""One cycle in a process of its own: a converter leaks memory, and a crash must not end the watch."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pipeline.cycles.record import Status
from pipeline.errors import UserError, WorkspaceInUse

_LOOK_SECONDS = 0.2
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class ChildEnd:
    """How a cycle's process ended.

    Attributes:
        code: Its exit code; negative for a signal.
        cycle: Its row of the history; None when it made none.
        error: Why it did not end well, in one sentence.
    """

    code: int
    cycle: dict[str, Any] | None
    error: str | None

    @property
    def failed(self) -> bool:
        """Whether it is worth another try; refused data and a workspace in use are no failures."""
        refused = self.cycle is not None and self.cycle.get("status") == Status.REFUSED
        return self.code not in (0, WorkspaceInUse.exit_code) and not refused


def run_child(arguments: Sequence[str], stop_seconds: float, stopping: Callable[[], bool]) -> ChildEnd:
    """Runs `cycle --once` in a child and waits for it.

    Args:
        arguments: CONFIG and the options of every command.
        stop_seconds: How long it may take to end once `stopping` says so; then it is killed with all that it started.
        stopping: Whether the watch is to end; asked several times a second.
    """
    command = [sys.executable, "-m", "pipeline", "cycle", *arguments, "--once", "--json", "--parent", str(os.getpid())]
    # A session of its own: Ctrl-C would reach it twice, and a second signal kills a run.
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    asked = False
    while True:
        try:
            out, _ = child.communicate(timeout=stop_seconds if asked else _LOOK_SECONDS)
            return _ended(child.returncode, out)
        except subprocess.TimeoutExpired:
            if asked:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                out, _ = child.communicate()
                return _ended(child.returncode, out)
            if stopping():
                child.terminate()
                asked = True


def _ended(code: int, out: str) -> ChildEnd:
    try:
        result = json.loads(out)
    except ValueError:
        result = {}
    cycle = result.get("cycle")
    error = (result.get("error") or {}).get("message") or (cycle or {}).get("error")
    if code < 0 and error is None:
        error = f"its process was killed by {signal.Signals(-code).name}"
    return ChildEnd(code, cycle, error)


def end_with_parent(parent: int) -> None:
    """Lets this process be ended with SIGTERM when the watcher that started it dies; Linux alone can do that.

    Raises:
        UserError: The watcher is gone already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise UserError(f"--parent must be the process that started this one, got {parent}; leave it out")

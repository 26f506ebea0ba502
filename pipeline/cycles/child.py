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

from components.cycles.record import Status
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


def cycle_command(arguments: Sequence[str]) -> list[str]:
    """The command of a cycle that ends with this process.

    Args:
        arguments: CONFIG and the options of every command.
    """
    return [sys.executable, "-m", "pipeline", "cycle", *arguments, "--once", "--json", "--parent", str(os.getpid())]


def run_child(
    command: Sequence[str], stop_seconds: float, stopping: Callable[[], bool], beat: Callable[[], None]
) -> ChildEnd:
    """Runs a command and waits for it.

    Args:
        command: As `cycle_command` makes it.
        stop_seconds: How long it may take to end once `stopping` says so; then it is killed with all that it started.
        stopping: Whether the watch is to end; asked several times a second.
        beat: Called as often.
    """
    # A session of its own: Ctrl-C would reach it twice, and a second signal kills a run.
    child = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    while not stopping():
        beat()
        with suppress(subprocess.TimeoutExpired):
            out, _ = child.communicate(timeout=_LOOK_SECONDS)
            return _ended(child.returncode, out)
    child.terminate()
    try:
        out, _ = child.communicate(timeout=stop_seconds)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        out, _ = child.communicate()
    return _ended(child.returncode, out)


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

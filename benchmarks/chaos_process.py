"""Commands in forked processes, which need no imports of their own, and their end by SIGKILL at a chosen moment."""

import os
import re
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.cli import main

_ENDED = re.compile(r"^  (\S+) +[\d.]+ s  \w+", re.MULTILINE)

POLL_S = 0.002
SHORT_S = 0.05


class Command:
    """A command of the command line in a process group of its own.

    Args:
        arguments: What stands behind `python -m pipeline`.
        output: Takes what it prints.
    """

    def __init__(self, arguments: Sequence[str], output: Path) -> None:
        self.output = output
        self.started = time.monotonic()
        self.pid = os.fork()
        if not self.pid:
            _serve(arguments, output)
        self.code: int | None = None

    def running(self) -> bool:
        """Whether it has not ended; afterwards `code` is its exit code, negative for a signal."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def wait(self, seconds: float) -> int:
        """Its exit code.

        Raises:
            TimeoutError: It takes longer.
        """
        end = time.monotonic() + seconds
        while self.running():
            if time.monotonic() > end:
                self.kill()
                raise TimeoutError(f"a command must end within {seconds:g} s; see {self.output}")
            time.sleep(POLL_S)
        assert self.code is not None
        return self.code

    def groups(self) -> list[int]:
        """Its process group first, then those of the servers that it started; looking takes milliseconds."""
        return [self.pid, *(_groups_below(self.pid) - {self.pid})]

    def kill(self, groups: Sequence[int] | None = None) -> None:
        """SIGKILL to all of it at once.

        Args:
            groups: What `groups` said a moment ago, when there is no time to look again.
        """
        for group in groups or self.groups():
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        while self.running():
            time.sleep(POLL_S)


def _serve(arguments: Sequence[str], output: Path) -> None:
    """What the forked process does; it never returns."""
    code = 70
    try:
        os.setsid()
        target = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, source in ((0, nothing), (1, target), (2, target)):
            os.dup2(source, descriptor)
        code = main(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _groups_below(pid: int) -> set[int]:
    """Process groups of all descendants."""
    parents: dict[int, tuple[int, int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1]), int(fields[2])
    below, groups = {pid}, set()
    while found := {child for child, (parent, _) in parents.items() if parent in below} - below:
        below |= found
        groups |= {parents[child][1] for child in found}
    return groups


class Progress:
    """Which nodes a run has begun, told from the lines that it prints as nodes end.

    Args:
        output: What it prints.
        order: Ids of all its nodes, in their order.
    """

    def __init__(self, output: Path, order: Sequence[str]) -> None:
        self._output = output
        self._order = order

    def begun(self) -> list[str]:
        """Ids of the nodes that have ended and of the one after them; empty before the first has ended."""
        ended = nodes_in(self._output)
        return [*ended, *self._order[len(ended) : len(ended) + 1]] if ended else []


def nodes_in(output: Path) -> list[str]:
    """Ids of the nodes that have ended, in their order."""
    try:
        return _ENDED.findall(output.read_text(errors="replace"))
    except FileNotFoundError:
        return []


@dataclass(frozen=True)
class Moment:
    """When to kill.

    Attributes:
        nodes: After one of these has begun; without any after the start of the process.
        sign: After this holds, which is looked for without a pause; `None`: nothing to wait for.
        delay_s: So much later.
    """

    nodes: frozenset[str]
    sign: Callable[[], bool] | None
    delay_s: float


def kill_at(command: Command, progress: Progress, moment: Moment) -> bool:
    """Kills the command at a moment; False when it ended before."""
    while command.running() and moment.nodes and not moment.nodes & set(progress.begun()):
        time.sleep(POLL_S)
    # No new server starts within so little time, and the moment must not be missed for looking.
    groups = command.groups() if moment.delay_s < SHORT_S else None
    while command.running() and moment.sign is not None and not moment.sign():
        pass
    end = time.monotonic() + moment.delay_s
    while command.running() and (left := end - time.monotonic()) > 0:
        time.sleep(min(POLL_S, left / 2))
    if not command.running():
        return False
    command.kill(groups)
    return command.code == -signal.SIGKILL

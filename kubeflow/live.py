"""How a run on the cluster is doing: its tasks out of what the server tells, and what people see of them."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

import kfp_server_api as kfp
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from kubeflow.client import Client
from kubeflow.transport import ClusterError
from pipeline.errors import UserError

Detail = kfp.V2beta1PipelineTaskDetail

ENDED = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")
_WORDS = {
    "SUCCEEDED": ("done", "green"),
    "FAILED": ("failed", "red"),
    "SKIPPED": ("skipped", "cyan"),
    "CANCELED": ("stopped", "yellow"),
}
_FIRST_PAUSE_S, _LAST_PAUSE_S = 2.0, 15.0
_PATIENCE = 6
"""So many answers in a row may be missing before it is given up; with growing pauses that is about a minute."""


@dataclass(frozen=True)
class Task:
    """A task of a run.

    Attributes:
        name: Its name, that of the node of the graph.
        state: As the server calls it; empty while it waits for others.
        seconds: How long it took, or has taken so far; `None` before it begins.
        error: What the server says about a failure.
    """

    name: str
    state: str = ""
    seconds: float | None = None
    error: str = ""


def tasks_of(run: kfp.V2beta1Run, order: Sequence[str], now: datetime) -> list[Task]:
    """The tasks of a run, in the order of the graph.

    The server tells the nodes of the Argo workflow. Of a task there are two: the driver that prepares it
    (`NAME-driver`), and the one with its name, which appears when the driver is done.

    Args:
        run: As the server tells it.
        order: Names of all tasks.
        now: For the seconds of tasks that are going on.
    """
    details = {each.display_name: each for each in (run.run_details.task_details if run.run_details else None) or []}
    return [_task(name, details.get(f"{name}-driver"), details.get(name), now) for name in order]


def _task(name: str, driver: Detail | None, node: Detail | None, now: datetime) -> Task:
    known = [each for each in (node, driver) if each is not None]
    if not known:
        return Task(name)
    state = _state(known[0])
    if node is None and state not in ("FAILED", "CANCELED"):
        state = "PENDING"
    begin = _time(known[-1].start_time)
    # Before the end of a node the server gives the first second of year 1.
    end = (_time(known[0].end_time) if state in ENDED else None) or now
    seconds = None if begin is None or state == "SKIPPED" else max(0.0, (end - begin).total_seconds())
    error = next((str(each.error.message) for each in known if each.error and each.error.message), "")
    return Task(name, state, seconds, error)


def _state(node: Detail) -> str:
    state = str(node.state or "")
    return "" if state == "RUNTIME_STATE_UNSPECIFIED" else state


def _time(value: datetime | None) -> datetime | None:
    if value is None or value.year < 1971:
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


class Status:
    """A line for each task: live on a terminal, and as tasks end elsewhere.

    Args:
        stream: Where people read.
        silent: Show nothing.
        order: Names of all tasks.
    """

    def __init__(self, stream: TextIO, *, silent: bool, order: Sequence[str]) -> None:
        self._console = Console(file=stream, quiet=silent, highlight=False)
        self._width = max(map(len, order), default=0)
        self._told: set[str] = set()
        self._live: Live | None = None
        if self._console.is_terminal and not silent and not _plain(os.environ):
            self._live = Live(console=self._console, redirect_stdout=False, redirect_stderr=False)
            self._live.start()

    def show(self, tasks: Sequence[Task]) -> None:
        """The tasks as they are now."""
        if self._live is not None:
            self._live.update(Group(*(self._line(task) for task in tasks)), refresh=True)
            return
        for task in tasks:
            if task.state in ENDED and task.name not in self._told:
                self._told.add(task.name)
                self._console.print(self._line(task), soft_wrap=True)

    def close(self) -> None:
        """Nothing follows; the lines stay."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _line(self, task: Task) -> Text:
        word, style = _WORDS.get(task.state, ("running", "bold") if task.state == "RUNNING" else ("", "dim"))
        if task.state == "PENDING":
            word = "starting"
        took = " " * 10 if task.seconds is None else f"{task.seconds:8.1f} s"
        line = Text.assemble(f"  {task.name:<{self._width}}  {took}  ", (word, style))
        line.rstrip()
        return line


def _plain(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("NO_COLOR")) or environ.get("TERM") in ("dumb", "unknown")


def follow(
    client: Client,
    run_id: str,
    show: Callable[[kfp.V2beta1Run], None],
    limit_s: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> kfp.V2beta1Run:
    """Looks at a run again and again until it has ended; returns it as it ended.

    Args:
        client: The server.
        run_id: The run.
        show: Told what the server says, each time.
        limit_s: How long to wait, in s; `None`: as long as it takes.
        sleep: Waits so many seconds.

    Raises:
        ClusterError: The server is gone for about a minute, or the limit is reached; the run itself goes on.
        UserError: The server says no.
    """
    waited, pause, missed = 0.0, _FIRST_PAUSE_S, 0
    while True:
        try:
            run = client.run(run_id)
        except ClusterError as error:
            missed += 1
            if not error.passing or missed >= _PATIENCE:
                raise ClusterError(f"{error}; the run {run_id} goes on") from error
        except UserError as error:
            # Such as a token that has expired meanwhile.
            raise UserError(f"{error}; the run {run_id} goes on") from error
        else:
            missed = 0
            show(run)
            if str(run.state or "") in ENDED:
                return run
        if limit_s is not None and waited >= limit_s:
            raise ClusterError(f"the run {run_id} did not end within {limit_s:g} s (--wait-at-most); it goes on")
        step = pause if limit_s is None else min(pause, limit_s - waited)
        sleep(step)
        waited, pause = waited + step, min(pause * 1.2, _LAST_PAUSE_S)

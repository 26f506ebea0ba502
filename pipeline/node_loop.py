"""Runs the nodes of a compiled graph, and remembers how each ended."""

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.failure import cause, excerpt, refuses_data
from pipeline.interruption import Interrupted, Signals
from pipeline.runner import LocalRun, NodeResult, State


class Listener(Protocol):
    """Is told how a run goes on."""

    def start(self, node_id: str) -> None:
        """A node begins."""

    def epoch(self, node_id: str, done: int, planned: int, logs: Mapping[str, float]) -> None:
        """A running node finished an epoch."""

    def end(self, result: NodeResult) -> None:
        """A node ended, or was passed over."""

    def close(self) -> None:
        """No node follows."""


@dataclass
class Nodes:
    """How the nodes of a run ended so far.

    Attributes:
        order: Their ids, each after all that it needs.
        ended: Results by id.
        running: Ids of those that run, or ran when the run was interrupted, in the order in which they began.
        interruption: What ended the run early.
    """

    order: Sequence[str]
    ended: dict[str, NodeResult] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    interruption: Interrupted | None = None

    @property
    def results(self) -> list[NodeResult]:
        """One for each node, those that never began included."""
        absent = dict.fromkeys(self.running, State.INTERRUPTED) if self.interruption else {}
        return [
            self.ended.get(node_id) or NodeResult(node_id, absent.get(node_id, State.NOT_RUN)) for node_id in self.order
        ]

    @property
    def failures(self) -> list[str]:
        """One sentence per failed node; the interruption, if there was one."""
        told = [f"{node_id} failed: {cause(error)}" for node_id, error in self._errors().items()]
        if self.interruption:
            told.append(f"interrupted by {self.interruption} in {', '.join(self.running) or 'between two nodes'}")
        return told

    @property
    def excerpts(self) -> dict[str, list[str]]:
        """The lines of the log that matter, by failed node."""
        return {node_id: lines for node_id, error in self._errors().items() if (lines := excerpt(error))}

    @property
    def refused(self) -> bool:
        """Whether nodes that read the data refused them, and nothing else failed."""
        errors = self._errors()
        return bool(errors) and all(refuses_data(node_id, error) for node_id, error in errors.items())

    def _errors(self) -> dict[str, BaseException]:
        return {node_id: result.error for node_id, result in self.ended.items() if result.error is not None}


def run_nodes(local_run: LocalRun, listeners: Sequence[Listener], signals: Signals) -> Nodes:
    """Runs all nodes, until SIGINT or SIGTERM; tracebacks of failed ones go to standard error.

    From the return on, signals raise nothing more: what follows is short, and a run that is over is not undone.

    Args:
        local_run: The compiled graph.
        listeners: Are told of every node; closed at the end, whatever happens.
        signals: Watched meanwhile.
    """
    nodes = Nodes(local_run.node_ids)
    # Epochs of nodes that run side by side come from threads.
    lock = threading.RLock()

    def tell(say: Callable[[Listener], None]) -> None:
        with lock:
            for listener in listeners:
                say(listener)

    def on_start(node_id: str) -> None:
        signals.check()
        nodes.running.append(node_id)
        tell(lambda listener: listener.start(node_id))

    def on_end(result: NodeResult) -> None:
        signals.check()
        if result.id in nodes.running:  # not those that were passed over
            nodes.running.remove(result.id)
        nodes.ended[result.id] = result
        if result.error is not None:
            with suppress(OSError):  # on a full disk
                traceback.print_exception(result.error)
        tell(lambda listener: listener.end(result))

    def on_epoch(node_id: str, done: int, planned: int, logs: Mapping[str, float]) -> None:
        tell(lambda listener: listener.epoch(node_id, done, planned, logs))

    try:
        local_run.execute(on_start, on_end, on_epoch)
        signals.settle()
    except Interrupted as interruption:
        signals.settle()
        nodes.interruption = interruption
        for result in [NodeResult(node_id, State.INTERRUPTED) for node_id in nodes.running]:
            tell(lambda listener, result=result: listener.end(result))  # type: ignore[misc]
    finally:
        tell(lambda listener: listener.close())
    return nodes

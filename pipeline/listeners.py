"""Several listeners of a run that are told as one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pipeline.runner import NodeResult


class Listener(Protocol):
    """Is told how a run goes on."""

    def start(self, node_id: str) -> None:
        """A node begins."""

    def epoch(self, done: int, planned: int, logs: Mapping[str, float]) -> None:
        """The running node finished an epoch."""

    def end(self, result: "NodeResult") -> None:
        """A node ended, or was passed over."""

    def close(self) -> None:
        """No node follows."""


class Listeners:
    """Tells all of them, in their order."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners

    def start(self, node_id: str) -> None:
        """A node begins."""
        for listener in self._listeners:
            listener.start(node_id)

    def epoch(self, done: int, planned: int, logs: Mapping[str, float]) -> None:
        """The running node finished an epoch."""
        for listener in self._listeners:
            listener.epoch(done, planned, logs)

    def end(self, result: "NodeResult") -> None:
        """A node ended, or was passed over."""
        for listener in self._listeners:
            listener.end(result)

    def close(self) -> None:
        """No node follows."""
        for listener in self._listeners:
            listener.close()

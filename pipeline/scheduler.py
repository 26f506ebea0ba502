"""Which node begins when several may run at once."""

import queue
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from compression.room import Room

if TYPE_CHECKING:
    from pipeline.runner import NodeResult

ROOM_BYTES = 2 * 2**30
"""Memory that must be free before a node begins beside another: what a node of a small model takes at most."""

_END_SECONDS = 30.0

NODE_MODULES = (
    "tfx",  # first: it repairs names of TFMA's and TFDV's packages
    "pipeline.graph",
    "pipeline.node_child",
    "components.train",
    "components.steps",
    "components.quantize",
)
"""What nodes in processes of their own import, beyond what conversions do."""


def has_room() -> bool:
    """Whether there is memory for one more node, on this machine and in this container."""
    return Room.here(tempfile.gettempdir()).memory_bytes >= ROOM_BYTES


class Scheduler:
    """Starts nodes in threads as soon as all that they need has ended.

    Args:
        upstream: Node -> the nodes that it needs, in an order in which they could run one after the other.
        at_once: How many may run at the same time.
        alone: Nodes beside which nothing else may run.
        room: Asked before a node begins beside another one.
    """

    def __init__(
        self,
        upstream: Mapping[str, Collection[str]],
        *,
        at_once: int,
        alone: Collection[str] = (),
        room: Callable[[], bool] = has_room,
    ) -> None:
        self._upstream, self._at_once, self._alone, self._room = upstream, at_once, alone, room
        self._waiting = list(upstream)
        self._running: dict[str, threading.Thread] = {}
        self._done: set[str] = set()
        self._ended: queue.SimpleQueue[NodeResult | BaseException] = queue.SimpleQueue()

    def run(
        self,
        launch: Callable[[str], "NodeResult"],
        *,
        begin: Callable[[str], bool],
        end: Callable[["NodeResult"], None],
        cancel: Callable[[], None],
    ) -> None:
        """Runs all nodes.

        Args:
            launch: Runs a node to its end, in a thread of its own.
            begin: Called in this thread before; False when the node must be passed over. Nodes that follow may begin.
            end: Called in this thread after.
            cancel: Makes running launches end; called when this call is left early, by whatever exception.
        """
        try:
            while self._waiting or self._running:
                if self._start_some(launch, begin):
                    continue
                result = self._ended.get()
                if isinstance(result, BaseException):
                    raise result
                del self._running[result.id]
                self._done.add(result.id)
                end(result)
        except BaseException:
            cancel()
            self._wait_for_ends()
            raise

    def _wait_for_ends(self) -> None:
        """Lets launches publish how they ended and remove what they wrote, for some time."""
        deadline = time.monotonic() + _END_SECONDS
        for thread in self._running.values():
            while thread.is_alive() and (left := deadline - time.monotonic()) > 0:
                # An interruption is raised again every few seconds until it arrives, and it has.
                with suppress(BaseException):
                    thread.join(left)

    def _start_some(self, launch: Callable[[str], "NodeResult"], begin: Callable[[str], bool]) -> bool:
        """Begins the next node, or passes it over; False when that must wait until one has ended."""
        node_id = self._next()
        if node_id is None:
            return False
        self._waiting.remove(node_id)
        if not begin(node_id):
            self._done.add(node_id)
            return True
        thread = threading.Thread(target=self._launch, args=(launch, node_id), name=node_id, daemon=True)
        self._running[node_id] = thread
        thread.start()
        return True

    def _next(self) -> str | None:
        if len(self._running) >= self._at_once or any(node in self._alone for node in self._running):
            return None
        if self._running and not self._room():
            return None
        ready = [node for node in self._waiting if self._done.issuperset(self._upstream[node])]
        beside = [node for node in ready if node not in self._alone]
        # What must be alone waits until nothing else could begin: it would make everything else wait.
        return next(iter(beside or ([] if self._running else ready)), None)

    def _launch(self, launch: Callable[[str], "NodeResult"], node_id: str) -> None:
        try:
            self._ended.put(launch(node_id))
        except BaseException as error:  # the thread that waits must learn of it
            self._ended.put(error)

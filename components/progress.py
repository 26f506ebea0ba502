"""How far a long node is, told to whoever shows the run in this process; on a cluster nobody listens."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[int, int, Mapping[str, float]], None]
"""Called with the epochs done, the epochs planned, and the epoch's losses and metrics by name."""

_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("progress_listeners", default=())


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Hands what nodes report in the block to `listener`, and to those of the blocks around it."""
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)


def report_epoch(done: int, planned: int, logs: Mapping[str, float]) -> None:
    """An epoch of the running node ended; nothing happens when nobody listens.

    Args:
        done: Epochs done, from 1.
        planned: Epochs planned; training may stop before.
        logs: The epoch's losses and metrics by name.
    """
    for listener in _listeners.get():
        listener(done, planned, logs)

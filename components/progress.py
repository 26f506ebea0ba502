"""How far a long node is, told to whoever shows it in this process: the terminal here, the pod's log on a cluster."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[int, int, Mapping[str, float]], None]
"""Called with the epochs done, the epochs planned, and the epoch's losses and metrics by name."""

_listener: ContextVar[Listener | None] = ContextVar("progress_listener", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Hands what nodes report in the block to `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report_epoch(done: int, planned: int, logs: Mapping[str, float]) -> None:
    """An epoch of the running node ended; nothing happens when nobody listens.

    Args:
        done: Epochs done, from 1.
        planned: Epochs planned; training may stop before.
        logs: The epoch's losses and metrics by name.
    """
    listener = _listener.get()
    if listener is not None:
        listener(done, planned, logs)

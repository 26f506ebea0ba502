"""What a child of `compression.isolation_server` has: a pipe for messages and its reply, and a line to the server."""

import os
import pickle
import socket
import threading
from dataclasses import dataclass, field

from compression.isolation_server import FRAME


@dataclass(frozen=True)
class _Channels:
    line: socket.socket
    result: int
    lock: threading.Lock = field(default_factory=threading.Lock)


_opened: list[_Channels] = []


def open_channels(line: socket.socket, result: int) -> None:
    """Called once, by the server, in the child."""
    _opened[:] = [_Channels(line, result)]


def line_to_server() -> socket.socket | None:
    """Where a child asks for children; `None` in a process that is no child."""
    return _opened[-1].line if _opened else None


def tell(message: object) -> None:
    """Sends what can be pickled to `on_message` of the call that this child answers."""
    send(pickle.dumps(message), reply=False)


def send(content: bytes, *, reply: bool) -> None:
    """Writes one frame, whole."""
    channels = _opened[-1]
    with channels.lock:
        rest = memoryview(FRAME.pack(reply, len(content)) + content)
        while rest:
            rest = rest[os.write(channels.result, rest) :]

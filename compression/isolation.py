"""Calls in child processes: the TFLite converter leaks, can crash and can hang, and takes only its own process along.

Children are forked by one server process that has imported TensorFlow and executed nothing, so that a child costs no
import and inherits no threads at work. It shares nothing with this process: function and arguments travel pickled, and
what this process has loaded, executed or seeded does not matter.
"""

import os
import pickle
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from compression.errors import CompressionError
from compression.isolation_child import line_to_server
from compression.isolation_server import FRAME, HEADER, READY, STATUS

_ROOT = Path(__file__).resolve().parents[1]
_KILL_SECONDS = 30.0
_WAIT_SECONDS = 1.0
_CANCEL_SECONDS = 0.2
_TAIL_BYTES = 4000
_TAIL_LINES = 3
_LONGEST = 500

Returned = TypeVar("Returned")
OnMessage = Callable[[Any], None]


class Cancelled(Exception):
    """A call was given up by the process that made it."""


def warm(*modules: str) -> None:
    """Starts the server if none runs that knows these modules; it imports while this process goes on.

    Not while calls are under way: they would end with the server that they were made to.

    Args:
        *modules: What children need beyond `isolation_server.PRELOADED`, imported first.
    """
    _server(modules)


def run(
    function: Callable[..., Returned],
    *args: Any,
    time_limit_s: float,
    what: str = "a conversion",
    section: str = "quantize",
    on_message: OnMessage | None = None,
    cancelled: threading.Event | None = None,
) -> Returned:
    """Calls `function(*args)` in a process of its own and returns what it returns.

    The child has this process's environment, working directory and import path. What it prints goes to this process's
    standard error. When this call is left early, by whatever exception, the child and all that it started are killed.
    What it left in the folder of temporary files, which is one of its own, is removed in any case.

    Args:
        function: A function of a module; not of the script that runs, which the child does not know.
        *args: Values that can be pickled.
        time_limit_s: Seconds that the child may take.
        what: The call in words, for messages.
        section: Whose `time_limit_s` it is.
        on_message: Gets what the function hands to `isolation_child.tell`, in the thread of this call.
        cancelled: Ends the child when it is set.

    Raises:
        Cancelled: `cancelled` was set.
        CompressionError: The function raised it; or the child crashed, ran out of memory, or was killed because its
            time was over, and the message ends in the last lines that it printed.
        Exception: Whatever else the function raised; its traceback was printed.
        RuntimeError: The server cannot start, or the function's exception cannot be pickled.
    """
    call = pickle.dumps((function, args))
    # A child that is killed removes nothing itself, and examples that it kept there may be many.
    with tempfile.TemporaryDirectory(prefix="tfx-edge-child-", ignore_cleanup_errors=True) as folder:
        child = _Child(_server(), _request(call, folder), on_message, cancelled)
        status = None
        try:
            status = child.wait(time.monotonic() + time_limit_s)
        finally:
            if status is None:
                child.kill()
            child.close()
    if status is None and cancelled is not None and cancelled.is_set():
        raise Cancelled(f"{what} was given up")
    if status is None:
        raise CompressionError(
            f"{what} must be done in {time_limit_s:g} s, but was not and was ended{child.said}; raise "
            f"`time_limit_s` of `{section}`, or make the model smaller"
        )
    if status != 0:
        raise CompressionError(f"{what} must come to its end, but {_how(status, section)}{child.said}")
    returned, raised = pickle.loads(child.reply)
    if raised is not None:
        raise raised
    return returned  # type: ignore[no-any-return]


def _request(call: bytes, folder: str) -> bytes:
    """What the server is sent; `folder` is for temporary files."""
    return pickle.dumps(
        {
            "call": call,
            "environment": {**os.environ, "TMPDIR": folder},
            "directory": str(Path.cwd()),
            "path": sys.path,
        }
    )


def _how(status: int, section: str) -> str:
    if status > 0:
        return f"its process ended with status {status}"
    known = -status in {number.value for number in signal.Signals}
    name = signal.Signals(-status).name if known else f"signal {-status}"
    if -status == signal.SIGKILL:
        return f"its process was killed ({name}), most likely because the machine ran out of memory: free some"
    if section != "quantize":
        return f"its process died of {name}"
    return f"its process died of {name}, a fault of the converter: replace the layer, or choose another mode"


class _Child:
    """A call that is under way; see `compression.isolation_server` for the three descriptors.

    Attributes:
        reply: What the child wrote as its reply.
    """

    def __init__(
        self, server: "_Server", request: bytes, on_message: OnMessage | None, cancelled: threading.Event | None
    ) -> None:
        self.reply = b""
        self._on_message, self._cancelled = on_message, cancelled
        self._frames = bytearray()
        self._tail = b""
        self._channel, channel = socket.socketpair()
        self._output, output = os.pipe()
        self._result, result = os.pipe()
        try:
            server.send(request, [channel.fileno(), output, result])
        except BaseException:
            self.close()
            raise
        finally:
            channel.close()
            os.close(output)
            os.close(result)

    def wait(self, deadline: float) -> int | None:
        """The exit status, negative for a signal; `None` when the time is over, or the call was given up."""
        with selectors.DefaultSelector() as selector:
            for source in (self._channel, self._output, self._result):
                selector.register(source, selectors.EVENT_READ)
            wait = _WAIT_SECONDS if self._cancelled is None else _CANCEL_SECONDS
            while (left := deadline - time.monotonic()) > 0 and not self._given_up:
                # A signal that another thread received does not end the wait: its handler runs in between.
                ready = [key.fileobj for key, _ in selector.select(min(left, wait))]
                for source, take in ((self._output, self._show), (self._result, self._sort)):
                    if source in ready and not self._take(source, take):
                        selector.unregister(source)
                # What the child wrote before its end is read before its end is believed.
                if ready == [self._channel]:
                    status = self._channel.recv(STATUS.size)
                    return STATUS.unpack(status)[0] if status else -signal.SIGKILL
        return None

    def kill(self) -> None:
        """Ends the child and all that it started, and waits until it is gone."""
        with suppress(OSError):  # it may be gone already
            self._channel.shutdown(socket.SHUT_WR)
        self._cancelled = self._on_message = None
        self.wait(time.monotonic() + _KILL_SECONDS)

    def close(self) -> None:
        """Lets go of the child; one that still runs is killed."""
        self._channel.close()
        for descriptor in (self._output, self._result):
            with suppress(OSError):
                os.close(descriptor)

    def _take(self, source: int, take: Callable[[bytes], object]) -> bool:
        """Hands on what a pipe holds; False at its end."""
        content = os.read(source, 1 << 16)
        take(content)
        return bool(content)

    @property
    def _given_up(self) -> bool:
        return self._cancelled is not None and self._cancelled.is_set()

    def _sort(self, content: bytes) -> None:
        """Hands on the messages that are whole, and keeps the reply."""
        self._frames += content
        while len(self._frames) >= FRAME.size:
            is_reply, size = FRAME.unpack_from(self._frames)
            if len(self._frames) < FRAME.size + size:
                return
            frame = bytes(self._frames[FRAME.size : FRAME.size + size])
            del self._frames[: FRAME.size + size]
            if is_reply:
                self.reply = frame
            elif self._on_message is not None:
                self._on_message(pickle.loads(frame))

    def _show(self, printed: bytes) -> None:
        self._tail = (self._tail + printed)[-_TAIL_BYTES:]
        with suppress(OSError):  # a full disk under the log is no fault of the conversion
            os.write(2, printed)

    @property
    def said(self) -> str:
        """The last lines that the child printed, as the end of a sentence; empty when it printed none."""
        lines = [line.strip() for line in self._tail.decode(errors="replace").splitlines() if line.strip()]
        return f"; it said: {' | '.join(lines[-_TAIL_LINES:])[:_LONGEST]}" if lines else ""


class _Server:
    """The server process as this process sees it.

    Args:
        modules: What it imports beyond its own list; a process that is itself a child asks the server that it is from.
    """

    def __init__(self, modules: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._process: subprocess.Popen[bytes] | None = None
        self._modules = frozenset(modules)
        line = line_to_server()
        self._ready = line is not None
        if line is not None:
            self._socket = line
            return
        self._socket, theirs = socket.socketpair()
        paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        with theirs:
            self._process = subprocess.Popen(
                # -P: the working directory may hold packages of the same name.
                [sys.executable, "-P", "-m", "compression.isolation_server", str(theirs.fileno()), *modules],
                stdin=subprocess.DEVNULL,
                stdout=2,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TF_USE_LEGACY_KERAS": "1"},
                start_new_session=True,  # Ctrl-C is for this process to handle
            )

    def serves(self, modules: Sequence[str]) -> bool:
        """Whether it lives and knows the modules; a fork of the process that started it needs one of its own."""
        if self._process is not None and not self._modules.issuperset(modules):
            return False
        return self._owner == os.getpid() and (self._process is None or self._process.poll() is None)

    def send(self, request: bytes, descriptors: list[int]) -> None:
        """Asks for a child, once all is imported."""
        with self._lock:
            self._wait_until_ready()
            socket.send_fds(self._socket, [HEADER.pack(len(request))], descriptors)
            self._socket.sendall(request)

    def _wait_until_ready(self) -> None:
        if self._ready or self._process is None:
            return
        try:
            self._ready = self._socket.recv(1) == READY
        except BaseException:
            self._process.kill()
            raise
        if not self._ready:
            self._process.wait()
            raise RuntimeError(
                f"conversions and nodes side by side must be able to start {sys.executable} with TensorFlow; it ended "
                f"with status {self._process.returncode}, and the log says why. Run `make setup`."
            )


_lock = threading.Lock()
_running: list[_Server] = []


def _server(modules: Sequence[str] = ()) -> _Server:
    """The server of this process; started when it is first needed."""
    with _lock:
        if not _running or not _running[-1].serves(modules):
            _running[:] = [_Server(modules)]
        return _running[-1]

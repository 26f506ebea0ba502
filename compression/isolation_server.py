"""The server behind `compression.isolation`: imports TensorFlow, executes nothing, and forks a child for every request.

Started as `python -m compression.isolation_server FD [MODULE ...]`; FD is a stream socket to the process that asks, and
the modules are imported as well. A request is a header (`HEADER`: the length of the payload) with three file
descriptors, then the payload. The descriptors are:

- channel, a socket: takes the child's exit status (`STATUS`) when the child has ended. When the other side stops
  writing, the child is killed with all that it started.
- output: takes what the child prints.
- result: takes frames (`FRAME`: the kind and the length of a pickle): any number of messages, then the reply.

When the socket ends, so do the server and all children. Every child has a socket of its own on which it may ask
likewise: what it asks for is forked from the server too, not from the child, which has executed things.
"""

import ctypes
import gc
import importlib
import os
import pickle
import resource
import selectors
import signal
import socket
import struct
import sys
import tempfile
import traceback
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from compression.errors import CompressionError

HEADER = struct.Struct("!Q")
STATUS = struct.Struct("!i")
READY = b"+"
FRAME = struct.Struct("!?Q")
"""Whether it is the reply, and how long it is."""

PRELOADED = (
    "tensorflow",
    "tf_keras",
    "tensorflow_model_optimization",
    "ai_edge_litert.interpreter",
    "compression.conversion",
)
"""What a child would otherwise import itself; importing them executes no operation of TensorFlow."""

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serves until the other side closes its socket."""
    asker = socket.socket(fileno=int(sys.argv[1]))
    for name in (*sys.argv[2:], *PRELOADED):
        importlib.import_module(name)
    # The modules stay: a child's garbage collector need not walk them, and with that copy their pages.
    gc.collect()
    gc.freeze()
    asker.sendall(READY)
    with Path(os.devnull).open("wb") as nothing:
        for stream in (1, 2):
            os.dup2(nothing.fileno(), stream)
    _Server(asker).serve()


class _Server:
    def __init__(self, asker: socket.socket) -> None:
        self._first = asker
        self._askers = {asker}
        self._children: dict[int, socket.socket] = {}
        self._alarm, alarm = socket.socketpair()
        for end in (self._alarm, alarm):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._wakeup = alarm.detach()
        signal.set_wakeup_fd(self._wakeup)
        self._selector = selectors.DefaultSelector()
        self._selector.register(asker, selectors.EVENT_READ)
        self._selector.register(self._alarm, selectors.EVENT_READ)

    def serve(self) -> None:
        """Forks, kills and reaps until the asking process is gone."""
        while self._first in self._askers:
            ready = [key.fileobj for key, _ in self._selector.select()]
            for pid, channel in self._children.items():
                if channel in ready:
                    _kill_group(pid)
                    self._selector.unregister(channel)
            if self._alarm in ready:
                self._alarm.recv(4096)
                self._reap()
            for asker in [one for one in self._askers if one in ready]:
                if not self._accept(asker):
                    self._askers.remove(asker)
                    self._selector.unregister(asker)
                    asker.close()
        for pid in self._children:
            _kill_group(pid)

    def _accept(self, asker: socket.socket) -> bool:
        """Forks a child for the next request; False when there will be none."""
        try:
            header, descriptors, _, _ = socket.recv_fds(asker, HEADER.size, 3)
        except ConnectionError:
            return False
        if len(header) < HEADER.size:
            return False
        channel, output, result = descriptors
        request = _read(asker, HEADER.unpack(header)[0])
        if len(request) < HEADER.unpack(header)[0]:  # it was killed in the middle
            for descriptor in descriptors:
                os.close(descriptor)
            return False
        ours, line = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)  # from Python 3.13 on a fork has done so
            others = (ours, self._alarm, *self._askers, *self._children.values())
            unneeded = [channel, self._wakeup, *(one.fileno() for one in others)]
            _run_child(request, output, result, line, unneeded)
        line.close()
        self._askers.add(ours)
        self._selector.register(ours, selectors.EVENT_READ)
        # The child does so itself too: whoever comes first.
        with suppress(PermissionError, ProcessLookupError):
            os.setpgid(pid, pid)
        os.close(output)
        os.close(result)
        self._children[pid] = socket.socket(fileno=channel)
        self._selector.register(self._children[pid], selectors.EVENT_READ)
        return True

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            _kill_group(pid)  # what the child started itself may outlive it
            with self._children.pop(pid) as channel:
                with suppress(KeyError):
                    self._selector.unregister(channel)
                with suppress(OSError):
                    channel.sendall(STATUS.pack(os.waitstatus_to_exitcode(status)))


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _read(source: socket.socket, size: int) -> bytearray:
    """So many bytes, or fewer when the other side ended."""
    read = bytearray(size)
    done = 0
    while done < size:
        with suppress(ConnectionError):
            if count := source.recv_into(memoryview(read)[done:]):
                done += count
                continue
        return read[:done]
    return read


def _run_child(request: bytearray, output: int, result: int, line: socket.socket, unneeded: Iterable[int]) -> NoReturn:
    """Answers in the forked process and ends it without the server's cleaning up."""
    status = 1
    try:
        for descriptor in unneeded:
            os.close(descriptor)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        _settle()
        # By its name: this module runs as `__main__`.
        channels = importlib.import_module("compression.isolation_child")
        channels.open_channels(line, result)
        channels.send(_answer(pickle.loads(request)), reply=True)
        status = 0
    except BaseException:  # SystemExit too: nothing may return into the server's loop
        traceback.print_exc()
    finally:
        for written in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                written.flush()
        os._exit(status)


def _settle() -> None:
    """Makes the process a group of its own that leaves no core file, outlives nobody and dies first without memory."""
    os.setpgid(0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")


def _answer(request: dict[str, Any]) -> bytes:
    """The pickled `(returned, raised)`; one of the two is `None`."""
    os.environ.clear()
    os.environ.update(request["environment"])
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    tempfile.tempdir = None  # what an import may have found out from the server's own environment
    os.chdir(request["directory"])
    sys.path[:] = request["path"]
    try:
        function, arguments = pickle.loads(request["call"])
        return pickle.dumps((function(*arguments), None))
    except CompressionError as error:
        return pickle.dumps((None, _portable(error)))
    except MemoryError:
        traceback.print_exc()
        return pickle.dumps((None, CompressionError("a model must fit into memory, but ran out of it; free some")))
    except Exception as error:
        traceback.print_exc()
        return pickle.dumps((None, _portable(error)))


def _portable(error: Exception) -> Exception:
    """The error itself, or what it says when it cannot travel."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its own pickling raises
        ours = isinstance(error, CompressionError)
        return CompressionError(str(error)) if ours else RuntimeError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    main()

"""Serves the pages of a workspace to this machine alone, and nothing else of it.

What may be asked for is a short list: the index, what changed in it, and of every run its report, its summary and its
progress. No other name reaches the file system, a folder is never listed, and no symbolic link is followed. The name
that a browser asked for must be one of this machine (else any web page could read along, by DNS rebinding).
"""

import json
import os
import re
import socketserver
import stat
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ADDRESS = "127.0.0.1"
HTML = "text/html; charset=utf-8"
JSON = "application/json"

_IN_RUNS = {"report.html": HTML, "summary.json": JSON, "progress.json": JSON}
# A name never begins with a dot, and is told as it is: nothing is decoded, so nothing can hide in an escape.
_OF_RUN = re.compile(rf"/runs/([A-Za-z0-9_][A-Za-z0-9_.-]*)/({'|'.join(map(re.escape, _IN_RUNS))})")
_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
_HEADERS = {
    # The pages bring stricter rules of their own; these hold whatever stands in a file.
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' data:; frame-ancestors 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_SILENT_SECONDS = 20.0
_LARGEST_BYTES = 64 * 2**20


class Pages:
    """The index as it is now; drawn anew only when a run began or ended.

    Args:
        collect: Gives the workspace as it is now, as `Overview.collect` does.
        render: Makes the page.
        state: Makes what the page asks for again and again.
    """

    def __init__(
        self,
        collect: Callable[[], Mapping[str, Any]],
        render: Callable[[Mapping[str, Any]], str],
        state: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    ) -> None:
        self._collect = collect
        self._render = render
        self._state = state
        self._lock = threading.Lock()
        self._drawn: tuple[str, bytes] | None = None

    def index(self) -> bytes:
        """The page."""
        with self._lock:
            overview = self._collect()
            if self._drawn is None or self._drawn[0] != overview["key"]:
                self._drawn = overview["key"], self._render(overview).encode()
            return self._drawn[1]

    def state(self) -> bytes:
        """What changed in it."""
        with self._lock:
            return json.dumps(self._state(self._collect())).encode()


class Server(ThreadingHTTPServer):
    """Listens on the loopback interface; `serve_forever` answers, each connection in a thread of its own.

    Args:
        root: The workspace; it need not exist yet.
        pages: The index.
        port: 0 for any free one; `server_port` tells which.

    Raises:
        OSError: The port is taken, or not ours to take.
        OverflowError: There is no such port.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, root: Path, pages: Pages, port: int) -> None:
        self.root = root
        self.pages = pages
        super().__init__((ADDRESS, port), _Handler)

    def server_bind(self) -> None:
        """Binds without asking the network for this machine's name, as the standard library would."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, self.server_address[1]

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class has it
        """A reader that went away is nothing to tell of."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = _SILENT_SECONDS

    def do_GET(self) -> None:
        """Answers what is on the list."""
        if not self._is_asked_locally():
            self._refuse(HTTPStatus.FORBIDDEN, "this page is for the machine that it is on: ask for 127.0.0.1")
            return
        try:
            self._answer_path(self.path.partition("?")[0])
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:  # a fault in one answer must not end those that follow
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}")

    do_HEAD = do_GET  # noqa: N815

    def _answer_path(self, path: str) -> None:
        if path in ("/", "/index.html"):
            self._answer(HTTPStatus.OK, HTML, self.server.pages.index())
        elif path == "/state.json":
            self._answer(HTTPStatus.OK, JSON, self.server.pages.state())
        elif (found := _OF_RUN.fullmatch(path)) and (
            content := _read(self.server.root, found[1], found[2])
        ) is not None:
            self._answer(HTTPStatus.OK, _IN_RUNS[found[2]], content)
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "there is no such page")

    def do_POST(self) -> None:
        """Nothing here can be changed."""
        # What may follow is not read, so the connection must not go on.
        self.close_connection = True
        self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "these pages can be read, and nothing else")

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = do_POST  # noqa: N815

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the base class finds wrong with a request; it would send a page without our headers."""
        del explain
        self.close_connection = True
        self._refuse(HTTPStatus(code), message or HTTPStatus(code).phrase)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the terminal is for what matters."""

    def version_string(self) -> str:
        """Names no versions."""
        return "tfx-edge"

    def _is_asked_locally(self) -> bool:
        hosts = self.headers.get_all("Host") or []
        return len(hosts) == 1 and _HOST.fullmatch(hosts[0].strip()) is not None

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._answer(status, "text/plain; charset=utf-8", f"{why}\n".encode(errors="replace"))

    def _answer(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _read(root: Path, run_id: str, name: str) -> bytes | None:
    """A plain file in the folder of a run; None for anything else, such as a link to one."""
    opened: list[int] = []
    try:
        # Each part by itself and relative to the one before: no link is followed, not even one put there meanwhile.
        opened.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY))
        for part in ("runs", run_id):
            opened.append(os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=opened[-1]))
        # Not blocking: a pipe of that name would keep this thread for ever.
        opened.append(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=opened[-1]))
        status = os.fstat(opened[-1])
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_BYTES:
            return None
        with os.fdopen(opened.pop(), "rb") as file:
            return file.read(_LARGEST_BYTES)
    except (OSError, ValueError):
        return None
    finally:
        for descriptor in opened:
            os.close(descriptor)

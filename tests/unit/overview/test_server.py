"""The server of the pages: real requests to the real server, well-meant and not."""

import http.client
import json
import os
import socket
import threading

import pytest

from pipeline.overview.collect import Overview
from pipeline.overview.server import Pages, Server
from pipeline.progress_file import ProgressFile
from report import index_page


class Client:
    def __init__(self, server: Server) -> None:
        self.port = server.server_port

    def __call__(self, path, method="GET", **headers):
        """Status, headers and body of an answer; `Host=None` sends none."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        host = headers.pop("Host", f"127.0.0.1:{self.port}")
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {**({} if host is None else {"Host": host}), **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, answer.headers, body

    def raw(self, request: bytes) -> bytes:
        """All that comes back for some bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture
def ask(world):
    pages = Pages(Overview(world.config).collect, index_page.render, index_page.state)
    with Server(world.root, pages, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield Client(server)
        server.shutdown()
        thread.join()


@pytest.fixture
def run(world):
    """A run with everything that a run leaves, secrets among them."""
    folder = world.run(1)
    for name in ("report.html", "details.json", "run.log", ".hidden", "progress.json"):
        (folder / name).write_text(f"content of {name}")
    (world.root / "metadata.sqlite").write_text("secret")
    (world.root / "artifacts" / "trainer").mkdir(parents=True)
    (world.root / "artifacts" / "trainer" / "report.html").write_text("secret")
    (world.root / "index.html").write_text("of the disk")
    return folder


@pytest.mark.parametrize("path", ["/", "/index.html", "/index.html?fresh=1"])
def test_the_index_is_drawn_from_the_workspace_as_it_is(ask, run, path):
    status, headers, body = ask(path)
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert run.name.encode() in body
    assert b"of the disk" not in body


def test_a_workspace_that_is_not_there_yet_is_served_and_not_made(ask, world):
    assert b"no runs yet" in ask("/")[2]
    assert ask("/runs/x/report.html")[0] == 404
    assert not world.root.exists()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("report.html", "text/html; charset=utf-8"),
        ("summary.json", "application/json"),
        ("progress.json", "application/json"),
    ],
)
def test_files_of_a_run(ask, run, name, kind):
    status, headers, body = ask(f"/runs/{run.name}/{name}")
    assert (status, headers["Content-Type"], body) == (200, kind, (run / name).read_bytes())
    assert ask(f"/runs/{run.name}/{name}", "HEAD")[::2] == (200, b"")
    assert int(ask(f"/runs/{run.name}/{name}", "HEAD")[1]["Content-Length"]) == len(body)


def test_every_answer_forbids_guessing_framing_and_reading_from_elsewhere(ask, run):
    for path, method in (("/", "GET"), ("/nothing", "GET"), ("/", "POST"), (f"/runs/{run.name}/summary.json", "GET")):
        headers = ask(path, method)[1]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in headers
        assert "Python" not in headers["Server"]


@pytest.mark.parametrize(
    "path",
    [
        "/metadata.sqlite",
        "/owner.json",
        "/artifacts/trainer/report.html",
        "/runs",
        "/runs/",
        "/runs/{run}",
        "/runs/{run}/",
        "/runs/{run}/run.log",
        "/runs/{run}/details.json",
        "/runs/{run}/.hidden",
        "/runs/{run}/summary.json/",
        "/runs/{run}/summary.json%00.html",
        "/runs/{run}/SUMMARY.JSON",
        "/runs/../metadata.sqlite",
        "/runs/../artifacts/trainer/report.html",
        "/runs/..%2fartifacts%2ftrainer/report.html",
        "/runs/%2e%2e/artifacts/trainer/report.html",
        "/runs/{run}/../{run}/report.html",
        "/runs/./report.html",
        "/runs/../report.html",
        "/runs//report.html",
        "/../../../../etc/passwd",
        "/runs/..\\..\\metadata.sqlite",
        "/runs/{run}/report.html\\..\\..\\..\\metadata.sqlite",
        "runs/{run}/report.html",
        "http://127.0.0.1/runs/{run}/run.log",
        "file:///etc/passwd",
        "/index.html/",
        "/registry/current.json",
    ],
)
def test_nothing_else_can_be_asked_for(ask, run, path):
    status, _, body = ask(path.format(run=run.name))
    assert (status, body) == (404, b"there is no such page\n")


def test_links_lead_nowhere(ask, run, world, tmp_path):
    (tmp_path / "secret.html").write_text("secret")
    (run / "report.html").unlink()
    (run / "report.html").symlink_to(tmp_path / "secret.html")
    assert ask(f"/runs/{run.name}/report.html")[0] == 404
    (world.root / "runs" / "linked").symlink_to(world.root / "artifacts" / "trainer", target_is_directory=True)
    assert ask("/runs/linked/report.html")[0] == 404
    run.rename(world.root / "elsewhere")
    (world.root / "runs" / "linked").unlink()
    (world.root / "runs").rename(tmp_path / "runs-elsewhere")
    (world.root / "runs").symlink_to(tmp_path / "runs-elsewhere", target_is_directory=True)
    assert ask(f"/runs/{run.name}/summary.json")[0] == 404


def test_what_is_no_plain_file_is_refused_and_keeps_no_thread(ask, run):
    (run / "report.html").unlink()
    os.mkfifo(run / "report.html")
    assert ask(f"/runs/{run.name}/report.html")[0] == 404
    (run / "summary.json").unlink()
    (run / "summary.json").mkdir()
    assert ask(f"/runs/{run.name}/summary.json")[0] == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost:1:2", "", None, "0.0.0.0", "10.0.0.1"]
)
def test_another_name_for_this_machine_is_refused(ask, run, host):
    status, _, body = ask("/", Host=host)
    assert status == 403
    assert run.name.encode() not in body


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1:80", "[::1]:8765"])
def test_names_of_this_machine_are_taken_whatever_port_a_tunnel_gave_them(ask, host):
    assert ask("/", Host=host)[0] == 200


def test_two_names_are_refused(ask):
    answer = ask.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(ask, run, method):
    status, headers, _ = ask(f"/runs/{run.name}/report.html", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert (run / "report.html").exists()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / and more HTTP/1.1\r\n\r\n", b"400"),
        (b"SPY / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"501"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", b"431"),
    ],
)
def test_broken_requests_are_told_so_in_plain_text(ask, request_, status):
    answer = ask.raw(request_)
    assert status in answer.partition(b"\r\n")[0]
    assert b"<html" not in answer.lower()
    assert ask("/")[0] == 200, "the next one is answered all the same"


def test_state_tells_of_a_run_that_goes_on_until_it_has_ended(ask, world):
    world.run(1)
    first = json.loads(ask("/state.json")[2])
    assert (first["active"], first["running"].strip()) == (0, "")
    folder = world.root / "runs" / "20260401-000000-0001"
    folder.mkdir()
    file = ProgressFile(folder, folder.name, "digits")
    file.plan(["ingest", "trainer"], {}, {})
    file.start("ingest")
    second = json.loads(ask("/state.json")[2])
    assert second["active"] == 1
    assert "0 of 2 nodes" in second["running"]
    assert second["key"] != first["key"]
    assert f'data-key="{second["key"]}"' in ask("/")[2].decode()
    world.write(world.summary(2) | {"run_id": folder.name})
    file.remove()
    third = json.loads(ask("/state.json")[2])
    assert third["active"] == 0
    assert third["key"] not in (first["key"], second["key"])


def test_the_index_is_drawn_again_only_when_something_ended(world):
    world.run(1)
    drawn = []
    pages = Pages(Overview(world.config).collect, lambda overview: drawn.append(1) or "x", index_page.state)
    pages.index(), pages.index()
    assert len(drawn) == 1
    world.run(2)
    pages.index()
    assert len(drawn) == 2


def test_a_fault_in_one_answer_ends_no_other(world):
    def broken():
        raise OSError("the disk is gone")

    with Server(world.root, Pages(broken, str, dict), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ask = Client(server)
        assert ask("/")[::2] == (500, b"OSError: the disk is gone\n")
        assert ask("/state.json")[0] == 500
        server.shutdown()


def test_a_workspace_that_a_run_holds_is_served(ask, world):
    from pipeline.workspace import Workspace

    with Workspace(world.root).locked("20260401-000000-0001"):
        assert ask("/")[0] == 200
        assert ask("/state.json")[0] == 200

"""`report CONFIG [RUN]`: which run is meant, what is written, and how serving begins and ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from pipeline import cli, report_files

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch):
    """The library that draws charts in a browser is large, and no browser is here."""
    monkeypatch.setattr("report.charts.library", lambda: "")


@pytest.fixture
def call(world, capsys):
    def run(*argv):
        code = cli.main(["report", str(world.file), *map(str, argv)])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def serve(world):
    """Starts `report --serve`; gives the process and the address that it names."""
    started = []

    def start(*argv):
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "pipeline", "report", str(world.file), "--serve", *map(str, argv)]
        process = subprocess.Popen(command, cwd=world.root.parent, env=environment, stdout=subprocess.PIPE, text=True)
        started.append(process)
        text = "".join(process.stdout.readline() for _ in range(4 if "--json" in argv else 3))
        return process, re.search(r"http://127\.0\.0\.1:\d+/", text)[0], text

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_newest_run_by_default(call, world):
    world.run(1)
    newest = world.push(2)
    code, out, err = call()
    assert (code, err) == (0, "")
    assert out == f"report   {newest / 'report.html'}\nindex    {world.root / 'index.html'}\n"
    text = (newest / "report.html").read_text()
    assert newest.name in text
    assert 'href="../../index.html"' in text
    link = f'href="runs/{newest.name}/report.html"'
    assert link in (world.root / "index.html").read_text()
    code, out, _ = call("--json")
    assert json.loads(out) == {
        "run_id": newest.name,
        "report": str(newest / "report.html"),
        "index": str(world.root / "index.html"),
    }


def test_a_run_by_the_beginning_of_its_id(call, world):
    first = world.run(1)
    world.run(200)
    assert call(first.name[:6])[1].startswith(f"report   {first / 'report.html'}\n")
    assert call(first.name)[0] == 0


def test_an_id_that_begins_another_means_itself(call, world):
    world.write(world.summary(1) | {"run_id": "mine"})
    world.write(world.summary(2) | {"run_id": "mine-too"})
    assert call("mine")[0] == 0


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("20260304-0607", "the nearest are 20260304-060700-0001, 202603"),
        ("../../etc", "RUN must be the id of a finished run or how it begins, got '../../etc'; the nearest are "),
        ("2026", "RUN must begin one id alone, got '2026', which begins 4: 20260304-060700-0001, "),
        ("going-on", "RUN must be a finished run, got going-on, which has no summary: it goes on, or was killed"),
    ],
)
def test_a_run_that_is_none_is_told_in_one_line(call, world, wanted, message):
    for number in range(1, 5):
        world.run(number)
    (world.root / "runs" / "going-on").mkdir()
    code, out, err = call("20260304-0608" if wanted == "20260304-0607" else wanted)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_before_the_first_run(call, world):
    code, out, _ = call()
    assert (code, out) == (0, f"no finished runs in {world.config.workspace} yet\n")
    assert not world.root.exists()
    assert call("x")[2].endswith("no run has finished yet\n")
    world.root.mkdir()
    assert call()[1].endswith(f"yet\nindex    {world.root / 'index.html'}\n")


def test_a_summary_that_cannot_be_read(call, world):
    folder = world.run(1)
    for text in ("{", "{}"):
        (folder / "summary.json").write_text(text)
        code, _, err = call()
        assert (code, err.count("\n")) == (2, 1)
        assert "summary.json" in err
    assert not (folder / "report.html").exists()


def test_a_page_stays_whole_when_a_new_one_cannot_be_written(call, world, monkeypatch):
    folder = world.run(1)
    call()
    before = (folder / "report.html").read_text()

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    code, _, err = call()
    assert code == 2
    assert "No space left on device; mend that, or look with --serve" in err
    assert (folder / "report.html").read_text() == before
    assert not list(folder.glob(".*incoming"))


def test_after_a_run_a_fault_is_one_warning_and_the_other_page_is_written(world, monkeypatch):
    folder = world.push(1)
    warnings = []
    assert report_files.after_run(world.config, folder.name, warnings.append) == folder / "report.html"
    (world.root / "index.html").unlink()
    monkeypatch.setattr(report_files, "read_json", lambda path: {"run_id": 1})
    assert report_files.after_run(world.config, folder.name, warnings.append) is None
    assert (world.root / "index.html").exists()
    (warning,) = warnings
    assert warning.startswith("the report of the run must be written, but that gave: ")
    assert warning.endswith(f"; tfx-edge report {world.file} writes it again")


def test_moving_the_pointer_by_hand_shows_on_the_page(call, world, capsys):
    for number in range(2):
        world.push(number)
    cli.main(["registry", "rollback", str(world.file)])
    assert not (world.root / "index.html").exists(), "nobody asked for a page"
    call()
    cli.main(["registry", "promote", str(world.file), "2", "--reason", "it was fine"])
    text = (world.root / "index.html").read_text()
    assert "version 2 is current" in text
    assert "it was fine" in text


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--port", "80"], "--port must stand beside --serve, got it alone; leave it out\n"),
        (["x", "--serve"], "--serve takes no RUN, got x; it serves the reports of all runs\n"),
        (["--serve", "--port", "70000"], "--port must be free and allowed, got 70000: it must be from 0 to 65535; "),
        (["--serve", "--port", "-1"], "--port must be free and allowed, got -1: it must be from 0 to 65535; "),
    ],
)
def test_options_that_make_no_sense(call, argv, message):
    code, out, err = call(*argv)
    assert (code, out) == (2, "")
    assert err.startswith(message)


def test_a_port_that_is_taken(call):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = call("--serve", "--port", port)
    assert code == 2
    assert err.startswith(f"--port must be free and allowed, got {port}: Address already in use; choose another one")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_serving_ends_with_a_signal(serve, world, number, code):
    world.push(1)
    process, url, text = serve("--port", 0)
    assert text == f"serving  {world.root}, read-only, to this machine alone\nopen     {url}\nend      Ctrl-C\n"
    assert b"version 1 is current" in urllib.request.urlopen(url, timeout=10).read()
    process.send_signal(number)
    assert process.wait(timeout=10) == code


def test_serving_as_json_and_beside_another_server(serve, world):
    (_, first, _), (_, second, text) = serve(), serve("--json")
    assert json.loads(text) == {"url": second, "workspace": str(world.root)}
    assert first != second

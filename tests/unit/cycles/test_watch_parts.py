"""The parts of a watcher by themselves: its clock, its log, its child, file events."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.cycles.child import run_child
from pipeline.cycles.file_events import watched_files
from pipeline.cycles.schedule import SystemClock
from pipeline.cycles.watch_state import opened

CONFIG = """\
name: x
data: {{format: tfrecord, path: "{path}/span-{{SPAN}}", label: label}}
model: {{module: m, task: multiclass}}
variants: {{int8: [quantize: {{mode: int8}}]}}
gate: {{metric: accuracy, max_drop: 0.1}}
cycle: {{file_events: true}}
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "data").mkdir()
    path = tmp_path / "edge.yaml"
    path.write_text(CONFIG.format(path=tmp_path / "data"))
    return load(path)


def test_a_wake_up_between_two_waits_ends_the_next():
    clock = SystemClock()
    clock.wake()
    assert clock.wait(30)
    assert not clock.wait(0), "one wake-up counts once"


def test_a_signal_handler_wakes_it():
    clock = SystemClock()
    before = signal.signal(signal.SIGUSR1, lambda *_: clock.wake())
    try:
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        assert clock.wait(30)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_file_that_appears_wakes_it(config, tmp_path):
    clock = SystemClock()
    with watched_files(config, clock, warn=pytest.fail):
        (tmp_path / "data" / "span-1").mkdir()
        assert clock.wait(20)


def test_without_file_events_it_polls_on_and_says_so(config):
    warned: list[str] = []
    clock = SystemClock()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    import watchdog.observers  # noqa: F401 - importing needs descriptors too

    free = os.open(os.devnull, os.O_RDONLY)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(OSError) as caught:
            os.close(os.open(os.devnull, os.O_RDONLY))
        assert caught.value.errno == errno.EMFILE, "the fault is real"
        with watched_files(config, clock, warned.append):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(warned) == 1
    assert "polling goes on" in warned[0]


def test_a_full_disk_under_the_log_is_no_traceback(tmp_path, capfd):
    (tmp_path / "cycle.log").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"), Path("/dev/full").open("w") as full:  # the fault is real
        full.write("x")
        full.flush()
    with opened(tmp_path) as state:
        state.log("started")
        state.tell("waiting")
    assert "Traceback" not in capfd.readouterr().err
    assert json.loads((tmp_path / "cycle-health.json").read_text())["state"] == "waiting"


def alive(pid: str) -> bool:
    """Whether a process runs; one that ended and that nobody asked about does not."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, check=False)
    return shown.stdout.strip()[:1] not in ("", "Z")


def test_a_child_that_does_not_end_is_killed_with_what_it_started(tmp_path):
    started = tmp_path / "started"
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "sleeper = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL)\n"
        f"open({str(started)!r}, 'w').write(str(sleeper.pid))\n"
        "time.sleep(60)"
    )
    beats: list[str] = []

    def begun() -> bool:
        return started.exists() and bool(started.read_text())

    ended = run_child([sys.executable, "-c", code], 0.5, begun, lambda: beats.append("alive"))
    assert (ended.code, ended.error) == (-signal.SIGKILL, "its process was killed by SIGKILL")
    assert ended.failed
    assert beats
    sleeper = started.read_text()
    deadline = time.monotonic() + 30  # far less than it would sleep
    while alive(sleeper) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(sleeper)


def test_a_store_tells_of_no_files(tmp_path):
    path = tmp_path / "remote.yaml"
    path.write_text(CONFIG.format(path="s3://bucket/data"))
    said = []
    with watched_files(load(path), SystemClock(), said.append):
        pass
    assert said == [
        "file events must come from a folder of this machine; s3://bucket/data/span-{SPAN} is none: polling goes on"
    ]

"""`cycle --watch` with real cycles on real digits: signals, kills, a second watcher, failures in a row."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.datasets import fetch

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 120


@pytest.fixture(scope="module")
def spans(tmp_path_factory) -> Path:
    """Three spans of digits, of which the second and third wait under hidden names."""
    folder = tmp_path_factory.mktemp("data") / "spans"
    fetch("digits", folder, spans=3)
    for number in (2, 3):
        (folder / f"span-{number}").rename(folder / f".span-{number}")
    return folder


@pytest.fixture(scope="module")
def config(spans, make_config, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("watch")
    return make_config(
        folder,
        data={"path": f"{spans}/span-{{SPAN}}"},
        train={"epochs": 2},
        gate={"max_drop": 0.3},
        cycle={"poll_seconds": 0.5, "stop_seconds": 30, "backoff_seconds": 0.5},
    )


def workspace(config: Path) -> Path:
    return config.parent / "workspace"


@pytest.fixture
def start():
    """`start(config)` starts a watcher; none outlives its test."""
    started = []

    def call(config: Path, *more: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "pipeline", "cycle", str(config), "--watch", *more]
        watcher = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(watcher)
        return watcher

    yield call
    for watcher in started:
        if watcher.poll() is None:
            watcher.kill()
            watcher.communicate()


def health(config: Path) -> dict:
    try:
        return json.loads((workspace(config) / "cycle-health.json").read_text())
    except FileNotFoundError:
        return {}


def wait_for(what, watcher: subprocess.Popen | None = None) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not what():
        assert time.monotonic() < end, "it did not come"
        assert watcher is None or watcher.poll() is None, watcher.communicate()
        time.sleep(0.1)


def idle(config: Path, watcher: subprocess.Popen, cycle: int | None = None):
    def check() -> bool:
        told = health(config)
        mine = told.get("pid") == watcher.pid and told.get("state") == "waiting"
        return mine and (cycle is None or (told.get("last_cycle") or {}).get("number") == cycle)

    return check


def trainings(config: Path) -> int:
    """How many trainings have begun."""
    return len(list((workspace(config) / "artifacts" / "trainer" / "model").glob("*")))


def history(config: Path) -> list[dict]:
    command = [sys.executable, "-m", "pipeline", "cycle", str(config), "--history", "--json"]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(json.loads(out)["cycles"], key=lambda row: row["number"])


def statuses(config: Path) -> list[str]:
    return [row["status"] for row in history(config)]


def end(watcher: subprocess.Popen, number: int) -> tuple[int, str]:
    """Signals a watcher; returns its exit code and standard error."""
    watcher.send_signal(number)
    _, err = watcher.communicate(timeout=90)
    return watcher.returncode, err


def test_a_watch_from_its_first_cycle_to_its_end(config, spans, start):
    watcher = start(config)
    wait_for(idle(config, watcher, cycle=1), watcher)
    assert statuses(config) == ["pushed"]

    second = start(config)
    _, err = second.communicate(timeout=60)
    assert second.returncode == 3
    assert f"process {watcher.pid}" in err
    assert " ago)" in err, "the age of the lock"

    assert end(watcher, signal.SIGTERM)[0] == 143
    assert health(config)["state"] == "stopped"

    # SIGTERM in the middle of a training: the cycle ends in good order, and is tried again later.
    before = trainings(config)
    (spans / ".span-2").rename(spans / "span-2")
    watcher = start(config)
    wait_for(lambda: trainings(config) > before, watcher)
    assert end(watcher, signal.SIGTERM)[0] == 143
    assert statuses(config) == ["pushed", "interrupted"]

    # A cycle that is killed is a failure, and the same watcher tries again.
    watcher = start(config)
    kill(config, 3)
    wait_for(lambda: (workspace(config) / "cycles" / "4.json").exists(), watcher)
    assert statuses(config)[2] == "killed"

    # A watcher that is killed takes its cycle with it.
    child = pid_of(config, 4)
    watcher.kill()
    watcher.communicate(timeout=60)
    wait_for(lambda: not _lives(child))
    assert statuses(config)[3] in ("interrupted", "killed")

    # The next one goes on by itself, and says of whom it took over.
    watcher = start(config)
    wait_for(idle(config, watcher, cycle=5), watcher)
    rows = history(config)
    assert rows[4]["status"] in ("pushed", "blocked")
    assert any("it is tried again" in reason for reason in rows[4]["reasons"])
    code, err = end(watcher, signal.SIGINT)
    assert code == 130
    assert "which is dead: it is taken over" in err
    lines = [json.loads(line) for line in (workspace(config) / "cycle.log").read_text().splitlines()]
    assert [line["event"] for line in lines].count("started") == 4


def pid_of(config: Path, cycle: int) -> int:
    return json.loads((workspace(config) / "cycles" / f"{cycle}.json").read_text())["process"]["pid"]


def kill(config: Path, cycle: int) -> None:
    """Kills a cycle's process as soon as it has begun."""
    wait_for(lambda: (workspace(config) / "cycles" / f"{cycle}.json").exists())
    os.kill(pid_of(config, cycle), signal.SIGKILL)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie of somebody else's is gone for our purposes.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_failures_in_a_row_end_the_watch(spans, make_config, tmp_path, monkeypatch, start):
    (tmp_path / "broken_model.py").write_text(
        "def preprocessing_fn(inputs):\n    return inputs\n\n"
        "def build_model(hparams):\n    raise OSError('no licence')\n"
    )
    path = make_config(
        tmp_path,
        data={"path": f"{spans}/span-{{SPAN}}"},
        model={"module": "broken_model", "hparams": None},
        cycle={"poll_seconds": 0.5, "backoff_seconds": 0.5, "max_failures": 2},
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    watcher = start(path)
    _, err = watcher.communicate(timeout=DEADLINE_SECONDS)
    assert watcher.returncode == 1
    assert "at most 2 cycles in a row may fail (cycle.max_failures), and so many did" in err
    assert "no licence" in err
    assert statuses(path) == ["failed", "failed"]


def test_a_workspace_that_cannot_be_written(config, tmp_path, start):
    place = tmp_path / "read-only"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(place)], capture_output=True).returncode:
        pytest.skip("this container may not mount a tmpfs")
    try:
        with pytest.raises(OSError, match="Read-only"):  # the fault is real
            (place / "probe").touch()
        watcher = start(config, "--workspace", str(place))
        _, err = watcher.communicate(timeout=60)
    finally:
        subprocess.run(["umount", str(place)], check=True)
    assert watcher.returncode == 2
    assert "the workspace must be a folder that can be written" in err
    assert "Traceback" not in err

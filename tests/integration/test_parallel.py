"""Nodes side by side: the same bytes as one after the other, failures and interruptions that end what they must end."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

GOOD = {
    "int8": [{"quantize": {"mode": "int8"}}],
    "pruned_int8": [{"prune": {"sparsity": 0.5, "epochs": 2}}, {"quantize": {"mode": "int8"}}],
}
HOPELESS = {"float16": [{"quantize": {"mode": "float16", "time_limit_s": 0.01}}]}
WAIT_S = 60


def states(finished):
    return {node["id"]: node["status"] for node in finished.summary["nodes"]}


def files(workspace: Path) -> dict[str, bytes]:
    """The finished file of every node that made one."""
    found = workspace.glob("artifacts/*/compressed/*/Format-Serving/tflite")
    return {path.parents[3].name: path.read_bytes() for path in found}


@pytest.fixture(scope="module")
def config(tmp_path_factory, make_config):
    folder = tmp_path_factory.mktemp("parallel")
    return make_config(folder, variants=GOOD | HOPELESS, runtime={"parallel_nodes": 2})


@pytest.fixture(scope="module")
def run(config, run_here):
    return run_here(config)


def test_one_branch_that_fails_leaves_the_others(run):
    ended = states(run)
    assert ended.pop("quantize-float16") == "failed"
    assert (ended.pop("gate-float16"), ended.pop("edge-float16")) == ("not_run", "not_run")
    assert set(ended.values()) == {"complete"}
    assert run.summary["status"] == "pushed"
    (failure,) = run.failures
    assert failure.startswith("quantize-float16 failed: a conversion must be done in 0.01 s")


def test_the_files_are_those_of_a_run_one_after_the_other(run, config, run_here, make_config, tmp_path):
    serial = run_here(make_config(tmp_path, variants=GOOD))
    assert serial.failures == []
    made = files(tmp_path / "workspace")
    assert made.keys() == {"baseline", "quantize-int8", "quantize-pruned-int8"}
    assert files(config.parent / "workspace") == made


def test_a_second_run_takes_what_is_done_from_the_cache(run, config, run_here):
    again = states(run_here(config))
    assert {node for node, state in again.items() if state == "complete"} == {"edge-pusher", "summary"}
    assert again["quantize-float16"] == "failed"


def children(pid: int) -> list[int]:
    """Processes that a process has started, and those that these have."""
    shown = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    found = [int(number) for number in shown.stdout.split()]
    return found + [further for child in found for further in children(child)]


def test_an_interruption_ends_the_nodes_that_run(run, config, run_here, make_config):
    folder = config.parent
    long = make_config(folder, variants=GOOD, train={"epochs": 500}, runtime={"parallel_nodes": 2})
    seen = {}

    def interrupt() -> None:
        deadline = time.monotonic() + WAIT_S
        while not seen.get("epoch") and time.monotonic() < deadline:
            time.sleep(0.1)
            for path in (folder / "workspace" / "runs").glob("*/progress.json"):
                running = {node["id"]: node for node in json.loads(path.read_text())["running"]}
                seen["epoch"] = running.get("trainer", {}).get("epoch")
        seen["children"] = [pid for pid in children(os.getpid()) if "isolation_server" in command_line(pid)]
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    finished = run_here(long)
    thread.join()
    assert seen["epoch"]["planned"] == 500, "a node in another process tells how far it is"
    assert finished.failures == ["interrupted by SIGTERM in trainer"]
    assert (finished.summary["exit_code"], states(finished)["trainer"]) == (143, "interrupted")
    server, *nodes = seen["children"]
    assert len(nodes) == 1
    deadline = time.monotonic() + WAIT_S
    while command_line(nodes[0]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not command_line(nodes[0]), "the trainer was ended"
    assert command_line(server), "its server serves the next run"


def command_line(pid: int) -> str:
    """Of a process that runs; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""

"""Runs that are stopped from outside, wherever they are: the next one goes on from the cache and pushes."""

import json
import re
import shutil
import signal
import sqlite3
import time
from contextlib import closing

import pytest

pytestmark = pytest.mark.integration

RUNNING = 2  # ml_metadata's Execution.State


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory, trained, make_config):
    """A configuration that has to train for a while, and its workspace, in which nothing was pushed yet."""
    folder = tmp_path_factory.mktemp("interrupted")
    shutil.copytree(trained, folder / "workspace", ignore=shutil.ignore_patterns("registry", "runs"))
    return make_config(folder, train={"epochs": 60}), folder / "workspace"


def last_execution(workspace):
    """Id, type and state of the newest execution, as TFX recorded it."""
    query = "SELECT Execution.id, Type.name, last_known_state FROM Execution JOIN Type ON type_id = Type.id"
    with closing(sqlite3.connect(f"file:{workspace}/metadata.sqlite?mode=ro", uri=True, timeout=30)) as store:
        return max(store.execute(query).fetchall())


def start_and_wait(start, node_type, workspace):
    """Starts a run and returns its process when the node of this type is at work."""
    before, *_ = last_execution(workspace)
    process = start()
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        number, name, state = last_execution(workspace)
        if number > before and name.endswith(node_type) and state == RUNNING:
            time.sleep(1)  # from the record of the execution into its work
            assert last_execution(workspace) == (number, name, RUNNING), "it ended before it could be interrupted"
            return process
        time.sleep(0.05)
    process.kill()
    return pytest.fail(f"never in {node_type}: {process.communicate()}")


def stop(process, signum, as_ended):
    process.send_signal(signum)
    process.stdout, process.stderr = process.communicate(timeout=60)
    return as_ended(process)


def test_interrupt_in_training_and_a_second_run_meanwhile(interrupted, start_cli, as_ended, call, pushed, last_summary):
    config, workspace = interrupted
    process = start_and_wait(lambda: start_cli("run", config), "Trainer", workspace)
    owner = json.loads((workspace / "owner.json").read_text())
    assert owner["pid"] == process.pid

    second = call("run", config, "--json")
    assert second.code == second.result["error"]["exit_code"] == 3
    assert f"in use by run {owner['run_id']} (process {process.pid}, since " in second.err
    assert second.err.count("\n") == 1
    assert process.poll() is None

    ended = stop(process, signal.SIGINT, as_ended)
    assert ended.code == 130
    first, log, resume = ended.err.splitlines()
    assert first == "interrupted by SIGINT in trainer"
    assert log == f"log      {workspace}/runs/{owner['run_id']}/run.log"
    assert re.fullmatch(rf"resume   \S*python\S* -m pipeline run {re.escape(str(config))}", resume)
    summary = last_summary(workspace)
    assert (summary["status"], summary["exit_code"]) == ("failed", 130)
    assert {node["id"]: node["status"] for node in summary["nodes"]}["trainer"] == "interrupted"
    assert pushed(workspace) == {}


def test_termination_inside_of_beam(interrupted, start_cli, as_ended, pushed):
    config, workspace = interrupted
    process = start_and_wait(
        lambda: start_cli("run", config, "--no-cache", "statistics", "--json"), "StatisticsGen", workspace
    )
    ended = stop(process, signal.SIGTERM, as_ended)
    assert ended.code == 143
    assert ended.err.splitlines()[0] == "interrupted by SIGTERM in statistics"
    assert (ended.result["status"], ended.result["exit_code"]) == ("failed", 143)
    assert ended.nodes["ingest"] == "cached"
    assert ended.nodes["statistics"] == "interrupted"
    assert ended.nodes["trainer"] == "not_run"
    assert pushed(workspace) == {}


def test_killed_run_goes_on_from_the_cache(interrupted, start_cli, call, pushed):
    config, workspace = interrupted
    process = start_and_wait(lambda: start_cli("run", config), "Trainer", workspace)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert last_execution(workspace)[2] == RUNNING  # it died in the middle of the node
    (left,) = [run for run in (workspace / "runs").iterdir() if not (run / "summary.json").exists()]
    assert (left / "run.log").exists()
    assert pushed(workspace) == {}

    ended = call("run", config, "--json")
    assert ended.code == 0
    assert {ended.nodes[node] for node in ("ingest", "statistics", "schema", "transform")} == {"cached"}
    assert ended.nodes["trainer"] == "complete"
    assert ended.result["status"] == "pushed"
    assert list(pushed(workspace)) == [1]

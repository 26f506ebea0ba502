"""`progress.json`: written when something happened, not too often, and never in the way of a run."""

import json
import os

import pytest

from pipeline.processes import lives, this_process
from pipeline.progress_file import ProgressFile
from pipeline.runner import NodeResult, State


@pytest.fixture
def seconds():
    return [100.0]


@pytest.fixture
def file(tmp_path, seconds):
    file = ProgressFile(tmp_path, "a-run", "digits", lambda: seconds[0])
    file.plan(["ingest", "trainer"], {"trainer": "for all"}, {"trainer": 8.5})
    return file


@pytest.fixture
def told(tmp_path):
    return lambda: json.loads((tmp_path / "progress.json").read_text())


def test_from_waiting_to_the_end(file, told, tmp_path):
    begun = told()
    assert (begun["run_id"], begun["name"], begun["process"]["pid"]) == ("a-run", "digits", os.getpid())
    assert begun["nodes"][1] == {
        "id": "trainer",
        "note": "for all",
        "status": "waiting",
        "seconds": None,
        "expected_seconds": 8.5,
    }
    file.start("ingest")
    assert (told()["nodes"][0]["status"], told()["current"]["id"]) == ("running", "ingest")
    file.end(NodeResult("ingest", State.CACHED, 0.12345))
    assert told()["current"] is None
    assert told()["nodes"][0] | {"note": ""} == {
        "id": "ingest",
        "note": "",
        "status": "cached",
        "seconds": 0.123,
        "expected_seconds": None,
    }
    file.remove()
    file.remove()
    assert list(tmp_path.iterdir()) == []


def test_epochs_are_told_once_a_second(file, told, seconds):
    file.start("trainer")
    for epoch, seconds[0] in enumerate((100.1, 100.9, 101.1, 101.5, 102.2), 1):
        file.epoch("trainer", epoch, 9, {"loss": 1 / epoch})
        assert (told()["current"]["epoch"] or {"done": 0})["done"] == (0, 0, 3, 3, 5)[epoch - 1]


def test_a_diverging_training_is_told_in_json_that_everybody_reads(file, told, seconds):
    file.start("trainer")
    seconds[0] += 2
    file.epoch("trainer", 1, 9, {"loss": float("nan"), "val_loss": float("inf"), "accuracy": 0.5})
    assert told()["current"]["epoch"]["logs"] == {"accuracy": 0.5}


def test_an_epoch_outside_of_a_node_is_nobodys(file, told):
    file.epoch("trainer", 1, 9, {"loss": 1.0})
    assert told()["current"] is None


def test_nodes_that_run_side_by_side(file, told, seconds):
    file.start("ingest")
    file.start("trainer")
    seconds[0] += 2
    file.epoch("trainer", 1, 9, {"loss": 1.0})
    assert [(node["id"], bool(node["epoch"])) for node in told()["running"]] == [("ingest", False), ("trainer", True)]
    assert told()["current"]["id"] == "ingest"
    file.end(NodeResult("ingest", State.COMPLETE, 1.0))
    assert [node["id"] for node in told()["running"]] == ["trainer"]
    assert told()["current"]["id"] == "trainer"


def test_a_full_disk_is_no_fault_of_the_run(file, told, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipeline.progress_file.replace_json", full)
    file.start("ingest")
    file.end(NodeResult("ingest", State.COMPLETE, 1.0))
    assert told()["nodes"][0]["status"] == "waiting", "what was there stays whole"


def test_who_lives():
    this = this_process()
    assert lives(this)
    assert lives(this | {"host": "elsewhere", "pid": 1}), "nothing is known of it"
    assert not lives(this | {"pid": 2**22 + 1})
    assert not lives(this | {"pid": 2**80})
    assert not lives({"host": this["host"]})
    assert lives({name: this[name] for name in ("pid", "host")}), "as older releases wrote it"
    if this["started"] is not None:
        assert not lives(this | {"started": this["started"] + 1}), "another process of the same number"

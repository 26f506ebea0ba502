"""What is gathered of a workspace: runs, cycles, versions, and whether a run that has no summary goes on."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from components.cycles.record import Status
from pipeline.cycles.records import Records
from pipeline.overview.collect import Overview
from pipeline.overview.gist import gist
from pipeline.overview.versions import Versions
from pipeline.processes import this_process
from pipeline.progress_file import ProgressFile
from pipeline.runner import NodeResult, State


def collect(world):
    return Overview(world.config).collect()


def only(world):
    (row,) = collect(world)["runs"]
    return row


def dead():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    return this_process() | {"pid": gone.pid}


def test_a_workspace_that_is_not_there_is_empty_and_stays_away(world):
    found = collect(world)
    assert (found["runs"], found["running"], found["notes"]) == ([], [], [])
    assert found["registry"] == {"current": None, "versions": [], "events": []}
    assert not world.root.exists()


def test_a_run_that_pushed(world):
    folder = world.push(3)
    (folder / "report.html").write_text("")
    row = only(world)
    assert (row["state"], row["pushed_version"], row["variant"], row["selected"]) == ("pushed", 1, "float16", True)
    assert (row["report"], row["summary"]) == tuple(
        f"runs/{folder.name}/{name}" for name in ("report.html", "summary.json")
    )
    assert row["limit"] == pytest.approx(row["baseline"] - 0.1)
    assert row["drift"] > 0
    assert row["why"] == ""


def test_a_run_that_pushed_nothing_shows_the_variant_that_came_closest(world):
    world.run(3)
    row = only(world)
    assert (row["state"], row["variant"], row["selected"]) == ("blocked", "float16", False)
    assert row["why"].startswith("accuracy may drop by at most 0.01")


@pytest.mark.parametrize(
    ("changes", "state", "why"),
    [
        ({"status": "failed", "exit_code": 1}, "failed", "see its log"),
        ({"status": "failed", "exit_code": 130}, "interrupted", "between two nodes"),
        ({"nodes": [{"id": "trainer", "status": "complete", "seconds": 1.0}]}, "partial", "asked for in part, up to"),
        (
            {"status": "failed", "exit_code": 1, "nodes": [{"id": "trainer", "status": "failed"}]},
            "failed",
            "trainer failed",
        ),
    ],
)
def test_how_a_run_ended(world, changes, state, why):
    world.run(1, **changes)
    row = only(world)
    assert row["state"] == state
    assert row["why"].startswith(why)


def test_the_strictest_rule_is_the_limit_in_the_metrics_own_direction(world):
    summary = world.summary(1)
    for metric, rules, limit in (
        ("accuracy", {"max_drop": 0.1, "min_value": 0.9}, 0.9),
        ("accuracy", {"max_drop": 0.02, "min_value": 0.5}, 0.93),
        ("accuracy", {"max_drop_percent": 10.0}, 0.855),
        ("rmse", {"max_drop": 0.1, "max_value": 0.98}, 0.98),
        ("accuracy", {}, None),
    ):
        summary["baseline"] |= {"metric": metric, "value": 0.95}
        checks = [{"output": "", "metric": metric, "rule": r, "slice": "", "threshold": t} for r, t in rules.items()]
        others = [{"output": "", "metric": metric, "rule": "min_value", "slice": "label:3", "threshold": 0.99}]
        summary["variants"][0]["gates"] = checks + others
        assert gist(summary)["limit"] == (None if limit is None else pytest.approx(limit))
    assert gist(summary | {"baseline": {"metric": "of tomorrow"}})["higher_is_better"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"run_id": 1}', "\xff"])
def test_a_summary_that_cannot_be_read_is_left_out_with_a_note(world, text):
    world.run(1)
    world.run(2)
    folder = world.root / "runs" / "20260101-000000-bad0"
    folder.mkdir()
    (folder / "summary.json").write_bytes(text.encode("latin-1"))
    found = collect(world)
    assert len(found["runs"]) == 2
    assert found["notes"] == [f"the summary of run {folder.name} cannot be read, so that it is left out here"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "0.9", True])
def test_a_summary_with_something_else_than_numbers_is_left_out(world, value):
    summary = world.summary(1)
    summary["baseline"]["value"] = value
    world.write(summary)
    assert len(collect(world)["notes"]) == 1


def test_runs_are_read_again_when_they_change_and_not_before(world, monkeypatch):
    world.run(1)
    folder = world.run(2)
    overview = Overview(world.config)
    first = overview.collect()
    read = []
    monkeypatch.setattr("pipeline.overview.collect.gist", lambda summary: read.append(summary) or gist(summary))
    assert overview.collect()["key"] == first["key"]
    assert read == []
    world.write(world.summary(2, status="failed", exit_code=1))
    second = overview.collect()
    assert [summary["run_id"] for summary in read] == [folder.name]
    assert second["key"] != first["key"]


def test_a_run_that_goes_on(world):
    folder = world.root / "runs" / "20260401-000000-0001"
    folder.mkdir(parents=True)
    file = ProgressFile(folder, folder.name, "digits")
    (row,) = collect(world)["running"]
    assert row["progress"]["nodes"] == 0, "the graph is being compiled"
    file.plan(["ingest", "trainer", "gate"], {"gate": "for int8"}, {"ingest": 4.0, "trainer": 20.0, "gate": 3.0})
    file.start("ingest")
    file.end(NodeResult("ingest", State.CACHED, 0.1))
    file.start("trainer")
    key = collect(world)["key"]
    told = json.loads((folder / "progress.json").read_text())
    told["running"][0] |= {
        "since": told["current"]["since"] - 5,
        "epoch": {"done": 2, "planned": 9, "logs": {"loss": 1.5}},
    }
    (folder / "progress.json").write_text(json.dumps(told))
    found = collect(world)
    (row,) = found["running"]
    progress = row["progress"]
    assert (progress["done"], progress["nodes"], progress["cached"], progress["current"]) == (1, 3, 1, "trainer")
    assert progress["epoch"] == {"done": 2, "planned": 9, "metric": "loss", "value": 1.5}
    assert progress["left_seconds"] == pytest.approx(20 - 5 + 3, abs=1)
    assert found["runs"] == []
    assert found["key"] == key, "progress alone must not make the page be drawn anew"
    world.write(world.summary(1) | {"run_id": folder.name})
    assert collect(world)["running"] == [], "a summary ends a run, though its progress were left behind"


def test_a_killed_run_has_ended(world):
    folder = world.root / "runs" / "20260401-000000-0001"
    folder.mkdir(parents=True)
    file = ProgressFile(folder, folder.name, "digits")
    file.plan(["trainer"], {}, {})
    file.start("trainer")
    told = json.loads((folder / "progress.json").read_text())
    (folder / "progress.json").write_text(json.dumps(told | {"process": dead()}))
    row = only(world)
    assert (row["state"], row["why"]) == ("killed", "its process ended without a word in trainer")
    # The same number, given to another process since.
    (folder / "progress.json").write_text(json.dumps(told | {"process": {**this_process(), "started": 1}}))
    assert only(world)["state"] == "killed"


@pytest.mark.parametrize("text", [None, "{", "{}", '{"process": {"pid": "x"}, "started_at": "y", "name": 1}'])
def test_a_run_without_a_summary_and_with_no_word_of_its_progress(world, text):
    folder = world.root / "runs" / "20260401-000000-0001"
    folder.mkdir(parents=True)
    if text is not None:
        (folder / "progress.json").write_text(text)
    row = only(world)
    assert (row["state"], row["started_at"]) == ("unfinished", "2026-04-01T00:00:00+00:00")


def test_cycles_stand_beside_their_runs_and_those_without_one_by_themselves(world, record):
    folder = world.push(1)
    refused = world.run(2, status="failed", exit_code=1)
    records = Records(world.root / "cycles")
    records.write(record(folder.name, number=1))
    records.write(record(refused.name, Status.REFUSED, number=2))
    records.write(record("20260101-000000-gone", Status.FAILED, number=3, error="the module must be there"))
    records.write(replace(record("20260101-000000-dead", Status.RUNNING, number=4), process=dead()))
    (world.root / "cycles" / "5.json").write_text("{")
    found = collect(world)
    rows = {row["cycle"]["number"]: row for row in found["runs"]}
    assert {number: row["state"] for number, row in rows.items()} == {
        1: "pushed",
        2: "refused",
        3: "failed",
        4: "killed",
    }
    assert (rows[3]["why"], rows[3]["report"]) == ("the module must be there", None)
    assert found["notes"] == ["the record of cycle 5 cannot be read"]


def test_versions_and_what_was_done_to_them(world):
    for number in range(3):
        world.push(number)
    world.registry.rollback(None, "too slow")
    registry = collect(world)["registry"]
    assert registry["current"] == 2
    assert [(row["version"], row["current"], row["withdrawn"]) for row in registry["versions"]] == [
        (3, False, True),
        (2, True, False),
        (1, False, False),
    ]
    newest = registry["events"][0]
    assert (newest["action"], newest["why"]) == ("rollback", "too slow")


def test_a_damaged_version_is_told_and_hides_no_other(world):
    world.push(0)
    world.push(1)
    (world.root / "registry" / "versions" / "1" / "manifest.json").write_text("{")
    found = collect(world)
    assert [row["version"] for row in found["registry"]["versions"]] == [2]
    assert len(found["notes"]) == 1


def test_a_registry_on_an_object_store_is_asked_now_and_then(world, monkeypatch):
    asked = []
    monkeypatch.setattr("pipeline.overview.collect.is_uri", lambda place: True)
    monkeypatch.setattr("pipeline.overview.collect.read_versions", lambda registry: asked.append(1) or Versions())
    seconds = [0.0]
    overview = Overview(world.config, lambda: seconds[0])
    for seconds[0] in (0.0, 10.0, 29.0, 31.0):
        overview.collect()
    assert len(asked) == 2

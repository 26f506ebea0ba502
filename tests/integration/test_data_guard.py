"""The frozen schema and the drift between spans, on real digits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.datasets import fetch
from pipeline.tfrecord import write_tfrecord

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def digits_by_span():
    from sklearn.datasets import load_digits

    found = load_digits()
    pairs = [
        ([int(value) for value in image], int(label)) for image, label in zip(found.data, found.target, strict=True)
    ]
    return [pairs[:600], pairs[600:1200], pairs[1200:]]


def write_span(folder: Path, number: int, pairs, name="image") -> None:
    place = folder / f"span-{number}"
    place.mkdir()
    write_tfrecord(place / "digits.tfrecord", ({name: image, "label": [label]} for image, label in pairs))


def call(*argv: str) -> tuple[int, dict, str]:
    command = [sys.executable, "-m", "pipeline", *argv, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout), done.stderr


def seconds(summary: dict) -> dict[str, str]:
    return {node["id"]: node["status"] for node in summary["nodes"]}


@pytest.fixture(scope="module")
def world(digits_by_span, make_config, tmp_path_factory):
    """Three spans, a configuration that guards them, and the summary of its first run; tests go on from one another."""
    folder = tmp_path_factory.mktemp("guard")
    fetch("digits", folder / "data", spans=3)
    config = make_config(
        folder,
        data={
            "path": f"{folder}/data/span-{{SPAN}}",
            "window": {"spans": 2},
            "guard": {"drift": {"notice": 0.05, "stop": 0.08}, "skew": {"stop": 0.9}},
        },
        train={"epochs": 2},
        gate={"max_drop": 0.3},
        runtime={"keep_runs": 1},
        hooks={
            "pushed": [{"command": ["/no/such/program"]}, hook(folder / "pushed.json")],
            "failed": [hook(folder / "failed.json")],
            "drift": [hook(folder / "drift.json")],
        },
    )
    code, summary, err = call("run", str(config))
    assert (code, summary["status"]) == (0, "pushed"), err
    assert "hooks.pushed[0] must start /no/such/program" in err
    return folder, str(config), summary


def hook(place: Path) -> dict:
    """A command that keeps what it is told."""
    code = f"import sys; open({str(place)!r}, 'w').write(sys.stdin.read())"
    return {"command": [sys.executable, "-c", code]}


def hide_newest(folder: Path) -> None:
    """Takes a span back that a test added."""
    newest = max((folder / "data").glob("span-*"), key=lambda path: int(path.name.removeprefix("span-")))
    newest.rename(newest.with_name(f".{newest.name}"))


def test_people_that_do_not_differ_much_pass_and_the_first_push_freezes_the_schema(world):
    folder, _, first = world
    assert first["data"]["schema"] == "inferred"
    assert 0 < first["data"]["drift"]["distance"] < 0.05
    assert first["data"]["drift"]["against"] == "span 3 against span 2"
    assert set(first["data"]["drift"]["features"]) == {"image", "label"}
    assert first["data"]["skew"]["distance"] < 0.5
    assert (folder / "workspace" / "schema.pbtxt").read_text().startswith("# What data must look like")


def test_hooks_are_told_what_stands_on_disk_and_one_that_fails_changes_nothing(world):
    folder, _, first = world
    told = (folder / "pushed.json").read_text()
    run = folder / "workspace" / "runs" / first["run_id"]
    assert told == (run / "summary.json").read_text()
    assert "hooks.pushed[0] must start /no/such/program" in (run / "run.log").read_text()
    assert not (folder / "failed.json").exists()


def test_a_frozen_schema_takes_nothing_from_the_cache(world):
    _, again, _ = call("run", world[1])
    ran = {node for node, status in seconds(again).items() if status != "cached"}
    assert ran == {"edge-pusher", "summary"}
    assert again["data"]["schema"] == "frozen"


def test_inverted_images_are_far_away_and_stopped_before_training(world, digits_by_span):
    folder, config, _ = world
    inverted = [([16 - value for value in image], label) for image, label in digits_by_span[2]]
    write_span(folder / "data", 4, inverted)
    code, summary, err = call("run", config)
    hide_newest(folder)
    assert code == 1
    assert summary["data"]["drift"]["feature"] == "image"
    assert summary["data"]["drift"]["distance"] > 0.08
    assert summary["data"]["drift"]["noticed"]
    assert "data-guard failed: the drift of the data must be at most data.guard.drift.stop, 0.08, but that of" in err
    assert seconds(summary)["trainer"] == "not_run"
    for name in ("failed", "drift"):
        assert json.loads((folder / f"{name}.json").read_text())["run_id"] == summary["run_id"]


def test_older_runs_left_but_for_what_the_pushed_version_came_from(world):
    folder, _, first = world
    workspace = folder / "workspace"
    manifest = json.loads((workspace / "registry" / "versions" / "1" / "manifest.json").read_text())
    assert all(Path(parent["uri"]).is_dir() for parent in manifest["lineage"].values())
    assert list((workspace / "artifacts" / "quantize-int8").rglob("tflite")) == []
    assert (workspace / "runs" / first["run_id"] / "summary.json").exists()
    assert not (workspace / "runs" / first["run_id"] / "run.log").exists()


def test_another_length_is_named(world, digits_by_span):
    folder, config, _ = world
    write_span(folder / "data", 5, [(image[:-1], label) for image, label in digits_by_span[2]])
    code, summary, err = call("run", config)
    hide_newest(folder)
    assert code == 1
    assert "train: feature 'image'" in err
    assert seconds(summary)["trainer"] == "not_run"


def test_a_feature_that_nobody_promised_is_named_and_may_be_promised(world, digits_by_span):
    folder, config, _ = world
    schema = folder / "workspace" / "schema.pbtxt"
    write_span(folder / "data", 6, digits_by_span[2], name="picture")
    code, summary, err = call("run", config)
    assert code == 1
    assert "the data must fit its schema" in err
    assert "'picture'" in err
    assert seconds(summary)["trainer"] == "not_run"

    before = schema.read_text()
    code, updated, _ = call("data-schema", "update", config)
    assert (code, updated["changed"]) == (0, True)
    assert any("picture" in line for line in updated["difference"])
    assert "picture" in schema.read_text()
    assert schema.with_name("schema.pbtxt.previous").read_text() == before
    code, shown, _ = call("data-schema", "show", config)
    assert (code, shown["source"]) == (0, "frozen")


def test_a_schema_that_somebody_broke_is_refused_before_anything_runs(world):
    folder, config, _ = world
    (folder / "workspace" / "schema.pbtxt").write_text("feature {")
    for command in (("validate",), ("run",), ("data-schema", "show")):
        code, _, err = call(*command, config)
        assert code == 2
        assert "schema.pbtxt must be a schema in text form" in err


def cycle(config: str) -> tuple[str, list[str]]:
    code, result, err = call("cycle", config, "--once")
    assert code == 0, err
    return result["cycle"]["status"], result["summary"]["nodes"]


def test_with_trigger_drift_new_spans_are_measured_and_trained_on_when_they_drifted(
    digits_by_span, make_config, tmp_path
):
    folder = tmp_path / "data"
    folder.mkdir()
    # The same digits in another order: no drift, and other bytes.
    write_span(folder, 1, digits_by_span[0])
    config = str(
        make_config(
            tmp_path,
            data={
                "path": f"{folder}/span-{{SPAN}}",
                "window": {"spans": 2},
                "guard": {"drift": {"notice": 0.08}},
            },
            train={"epochs": 2},
            gate={"max_drop": 0.4},
            cycle={"trigger": "drift"},
        )
    )
    status, _ = cycle(config)
    assert status in ("pushed", "blocked"), "there was nothing to compare with: the first cycle trains"

    write_span(folder, 2, digits_by_span[0][::-1] + digits_by_span[1][:50])
    status, nodes = cycle(config)
    assert status == "no_drift"
    assert {node["id"] for node in nodes} >= {"ingest", "drift", "data-guard"}
    assert "trainer" not in {node["id"] for node in nodes}
    code, again, _ = call("cycle", config, "--once")
    assert (code, again["ran"]) == (0, False), "a look without drift is an answer"

    write_span(folder, 3, [([16 - value for value in image], label) for image, label in digits_by_span[1]])
    status, nodes = cycle(config)
    assert status in ("pushed", "blocked")
    assert {node["id"]: node["status"] for node in nodes}["trainer"] == "complete"
    _, told, _ = call("cycle", config, "--history")
    rows = sorted(told["cycles"], key=lambda row: row["number"])
    assert [row["status"] for row in rows][1:2] == ["no_drift"]
    assert rows[1]["measured"]["drift"]["distance"] < 0.08 <= rows[2]["measured"]["drift"]["distance"]

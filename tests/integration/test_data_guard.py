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


def test_spans_are_held_against_the_frozen_schema_and_against_each_other(digits_by_span, make_config, tmp_path):
    folder = tmp_path / "data"
    fetch("digits", folder, spans=3)
    config = str(
        make_config(
            tmp_path,
            data={
                "path": f"{folder}/span-{{SPAN}}",
                "window": {"spans": 2},
                "guard": {"drift": {"notice": 0.05, "stop": 0.08}, "skew": {"stop": 0.9}},
            },
            train={"epochs": 2},
            gate={"max_drop": 0.3},
        )
    )
    schema = tmp_path / "workspace" / "schema.pbtxt"

    # The people who wrote the last two thirds do not differ much, and the first push freezes the schema.
    code, first, _ = call("run", config)
    assert (code, first["status"]) == (0, "pushed")
    assert first["data"]["schema"] == "inferred"
    assert 0 < first["data"]["drift"]["distance"] < 0.05
    assert first["data"]["drift"]["against"] == "span 3 against span 2"
    assert set(first["data"]["drift"]["features"]) == {"image", "label"}
    assert first["data"]["skew"]["distance"] < 0.5
    assert schema.read_text().startswith("# What data must look like")

    # An unchanged run takes everything from the cache all the same.
    _, again, _ = call("run", config)
    ran = {node for node, status in seconds(again).items() if status != "cached"}
    assert ran == {"edge-pusher", "summary"}
    assert again["data"]["schema"] == "frozen"

    # White on black instead of black on white: far away, and stopped before training.
    write_span(folder, 4, [([16 - value for value in image], label) for image, label in digits_by_span[2]])
    code, inverted, err = call("run", config)
    assert code == 1
    assert inverted["data"]["drift"]["feature"] == "image"
    assert inverted["data"]["drift"]["distance"] > 0.08
    assert inverted["data"]["drift"]["noticed"]
    assert "data-guard failed: the drift of the data must be at most data.guard.drift.stop, 0.08, but that of" in err
    assert seconds(inverted)["trainer"] == "not_run"

    # A feature that is missing, and one that nobody promised.
    (folder / "span-4").rename(folder / ".span-4")
    write_span(folder, 5, digits_by_span[2], name="picture")
    code, renamed, err = call("run", config)
    assert code == 1
    assert "the data must fit its schema" in err
    assert "'picture'" in err
    assert seconds(renamed)["trainer"] == "not_run"

    # Whoever is sure infers the schema anew; what it was stays beside it.
    before = schema.read_text()
    code, updated, _ = call("data-schema", "update", config)
    assert code == 0
    assert any("picture" in line for line in updated["difference"])
    assert "picture" in schema.read_text()
    assert schema.with_name("schema.pbtxt.previous").read_text() == before
    code, shown, _ = call("data-schema", "show", config)
    assert (code, shown["source"]) == (0, "frozen")


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

"""What old runs left is removed, and TFX's cache knows it."""

import json
from pathlib import Path

import pytest
import tfx  # noqa: F401 - first: it repairs names that TFMA and TFDV lost
from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline

from components.import_schema import ImportSchema
from pipeline.retention import keep_newest, lineage_uris, pushing_runs
from pipeline.runner import LocalRun, Selection, State
from registry import Registry


@pytest.fixture
def run(tmp_path):
    """`run(run_id, text)` runs a node that keeps `text`; returns its result."""

    def execute(run_id: str, text: str):
        place = tmp_path / "runs" / run_id
        place.mkdir(parents=True)
        (place / "run.log").write_text(run_id)
        for name in ("summary.json", "details.json", "report.html"):
            (place / name).write_text("{}")
        pipeline = Pipeline(
            pipeline_name="small",
            pipeline_root=str(tmp_path / "artifacts"),
            metadata_connection_config=metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.sqlite")),
            enable_cache=True,
            components=[ImportSchema(text=f'feature {{ name: "{text}" type: INT }}').with_id("schema")],
        )
        results = []
        LocalRun(pipeline, run_id, Selection(), never_cached=(), tolerant=()).execute(
            lambda _: None, results.append, lambda *_: None
        )
        (result,) = results
        return result

    return execute


@pytest.fixture
def keep(tmp_path):
    def call(count: int, protected=(), reported=()) -> int:
        places = (tmp_path / name for name in ("metadata.sqlite", "artifacts", "runs"))
        return keep_newest(*places, count, protected, reported, tensorboard=tmp_path / "tensorboard")

    return call


def place(result) -> Path:
    return Path(result.outputs["schema"][0].uri)


def states(tmp_path) -> list[str]:
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(tmp_path / "metadata.sqlite")
    names = metadata_store_pb2.Artifact.State.Name
    return [names(artifact.state) for artifact in metadata_store.MetadataStore(connection).get_artifacts()]


def test_old_artifacts_go_and_a_run_that_needs_them_makes_them_anew(run, keep, tmp_path):
    first, second = run("1", "a"), run("2", "b")
    assert run("3", "a").state is State.CACHED, "it would come from the cache"
    third = run("4", "b")
    assert keep(2) == 0, "runs 3 and 4 use both through the cache"
    run("5", "c")
    assert keep(1) == 2
    assert not place(first).exists()
    assert not place(second).exists()
    assert sorted(states(tmp_path)) == ["DELETED", "DELETED", "LIVE"]
    again = run("6", "b")
    assert again.state is State.COMPLETE, "the cache must not hand out a hole"
    assert place(again).exists()
    assert third.state is State.CACHED


def test_summaries_stay_and_logs_and_curves_of_old_runs_go(run, keep, tmp_path):
    for number in "123":
        run(number, number)
        (tmp_path / "tensorboard" / number / "trainer").mkdir(parents=True)
    keep(2)
    assert sorted(path.name for path in (tmp_path / "tensorboard").iterdir()) == ["2", "3"]
    assert [(tmp_path / "runs" / number / "run.log").exists() for number in "123"] == [False, True, True]
    for name in ("summary.json", "details.json"):
        assert all((tmp_path / "runs" / number / name).exists() for number in "123")


def test_pages_of_old_runs_go_but_for_those_of_versions_that_are_there(run, keep, tmp_path):
    registry = Registry(tmp_path / "registry")
    for number in "1234":
        run(number, number)
        model = tmp_path / "model.tflite"
        model.write_bytes(b"TFL3" + number.encode())
        if number != "1":
            registry.push(model, {"identity": number, "run_id": number})
    registry.push(model, {"identity": "by hand"})
    registry.collect(2)
    assert pushing_runs(registry) == ["4"], "the newest version names no run"
    keep(1, reported=["2"])
    assert [(tmp_path / "runs" / number / "report.html").exists() for number in "1234"] == [False, True, False, True]


def test_what_a_pushed_version_came_from_stays(run, keep, tmp_path):
    parent = run("1", "a")
    model = tmp_path / "model.tflite"
    model.write_bytes(b"TFL3")
    registry = Registry(tmp_path / "registry")
    lineage = {"float_model": {"uri": str(place(parent)), "sha256": "0" * 64}}
    registry.push(model, {"identity": "a", "lineage": lineage})
    run("2", "b")
    run("3", "c")
    assert lineage_uris(registry) == [str(place(parent))]
    assert keep(1, lineage_uris(registry)) == 1
    assert place(parent).exists()


def test_what_a_killed_clean_up_left_is_removed_by_the_next(run, keep, tmp_path):
    first = run("1", "a")
    content = (place(first) / "schema.pbtxt").read_text()
    run("2", "b")
    assert keep(1) == 1
    place(first).mkdir(parents=True)
    (place(first) / "schema.pbtxt").write_text(content)  # marked, but not removed yet: killed in between
    assert keep(1) == 0
    assert not place(first).exists()


def test_nothing_outside_of_the_artifacts_is_touched(run, keep, tmp_path):
    first = run("1", "a")
    run("2", "b")
    keep_newest(tmp_path / "metadata.sqlite", tmp_path / "elsewhere", tmp_path / "runs", 1, ())
    assert place(first).exists()
    assert json.loads((tmp_path / "runs" / "1" / "summary.json").read_text()) == {}

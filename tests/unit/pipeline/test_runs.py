"""`runs`, and the JSON Schema of the summaries that it reads."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest

from pipeline import cli
from pipeline.commands.runs import read_runs

SCHEMA = json.loads((Path(__file__).parents[3] / "pipeline" / "summary_schema.json").read_text())

VARIANT = {
    "name": "int8",
    "steps": ["quantize int8"],
    "status": "passed",
    "stage": "gate-int8",
    "metric": "accuracy",
    "value": 0.96,
    "drop": 0.01,
    "drop_ci": None,
    "drop_vs_champion": 0.002,
    "drop_vs_champion_ci": [-0.01, 0.012],
    "gates": [
        {
            "output": "",
            "metric": "accuracy",
            "rule": "max_drop",
            "slice": "",
            "state": "passed",
            "passed": True,
            "threshold": 0.03,
            "value": 0.01,
            "bounds": [-0.01, 0.02],
            "needed_examples": None,
        }
    ],
    "slices": [{"slice": "label=1", "values": {"label": 1}, "examples": 50, "state": None, "metrics": {}}],
    "size_bytes": 41234,
    "gzip_bytes": 30000,
    "entropy_bytes": 28000,
    "lut_bytes": None,
    "latency_ms": {"p50": 0.1, "p90": 0.2, "p99": None},
    "arena_bytes": None,
    "macs": None,
    "sparsity": 0.0,
    "distinct_weights": 255,
    "on_front": True,
    "audit": {"float_islands": []},
    "blessed": True,
    "reasons": [],
    "not_measured": {"arena_bytes": "the model does not load"},
}
SUMMARY = {
    "schema_version": 1,
    "run_id": "20261122T170000Z",
    "name": "digits",
    "started_at": "2026-11-22T17:00:00Z",
    "finished_at": "2026-11-22T17:03:00+00:00",
    "status": "pushed",
    "exit_code": 0,
    "spans": [],
    "data": None,
    "seed": 1,
    "config_sha256": "0" * 64,
    "host": {"cpu": "x", "cores": 2, "python": "3.11.7", "tensorflow": "2.21.0", "tfx": "1.21.0"},
    "n_examples": {"train": 1078, "validation": 180, "eval": 539},
    "gate_method": "threshold",
    "baseline": {
        "metric": "accuracy",
        "value": 0.97,
        "size_bytes": 150000,
        "gzip_bytes": 140000,
        "entropy_bytes": 130000,
        "lut_bytes": None,
        "latency_ms": None,
    },
    "champion": {"version": 3, "metric": "accuracy", "value": 0.962},
    "warm_start": {"used": False, "version": 3, "reason": "layer conv: filters is 4 here, 8 there"},
    "search": {
        "trials": [
            {
                "hparams": {"filters": 8, "separable": False},
                "status": "over_budget",
                "value": None,
                "size_bytes": 12000,
                "gzip_bytes": None,
                "macs": None,
                "seconds": 1.5,
                "reason": "the file must have at most 10,000 bytes, got 12,000",
                "not_measured": {"gzip_bytes": "not trained"},
            }
        ],
        "best": {"filters": 4, "separable": True},
    },
    "variants": [VARIANT],
    "selected": "int8",
    "selection_reason": "smallest of 1 that passed",
    "pushed": {"version": 1, "path": "registry/versions/1", "sha256": "a" * 64},
    "nodes": [{"id": "Trainer", "seconds": 12.5, "cached": False, "status": "complete"}],
    "not_measured": {},
}


@pytest.fixture
def workspace(tmp_path):
    def write(run_id, content):
        folder = tmp_path / "runs" / run_id
        folder.mkdir(parents=True)
        if content is not None:
            (folder / "summary.json").write_text(content)

    write("a", json.dumps(SUMMARY))
    later = SUMMARY | {"started_at": "2026-11-23T08:00:00Z", "status": "blocked", "selected": None, "pushed": None}
    write("b", json.dumps(later | {"baseline": None}))
    write("c", "{")
    write("d", json.dumps([]))
    write("e", None)
    (tmp_path / "runs" / "stray").write_text("")
    return tmp_path


def test_rows(workspace):
    assert read_runs(workspace)[0] == {
        "run_id": "a",
        "status": "pushed",
        "started_at": "2026-11-22T17:00:00Z",
        "metric": "accuracy",
        "baseline": 0.97,
        "selected": "int8",
        "value": 0.96,
        "size_bytes": 41234,
        "drift": None,
        "pushed_version": 1,
    }
    assert [(run["run_id"], run["status"]) for run in read_runs(workspace)] == [
        ("a", "pushed"),
        ("b", "blocked"),
        ("c", "unreadable"),
        ("d", "unreadable"),
        ("e", "unfinished"),
    ]


@pytest.mark.parametrize("field", sorted(SUMMARY))
@pytest.mark.parametrize("value", [None, 3, "x", [], {}, [None]], ids=repr)
def test_damaged_summaries_never_stop_the_list(tmp_path, capsys, field, value):
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(json.dumps(SUMMARY | {field: value}))
    assert cli.main(["runs", "--workspace", str(tmp_path)]) == 0
    assert capsys.readouterr().err == ""


def test_newest_first(workspace, capsys):
    assert cli.main(["runs", "--workspace", str(workspace), "--json"]) == 0
    assert [run["run_id"] for run in json.loads(capsys.readouterr().out)["runs"]] == ["b", "a", "e", "d", "c"]


def test_table_is_never_cut_in_a_pipe(workspace, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    cli.main(["runs", "--workspace", str(workspace)])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == [
        "run",
        "started",
        "status",
        "metric",
        "baseline",
        "selected",
        "value",
        "bytes",
        "drift",
        "pushed",
    ]
    assert rows[2] == [
        "a",
        "2026-11-22",
        "17:00:00",
        "pushed",
        "accuracy",
        "0.9700",
        "int8",
        "0.9600",
        "41,234",
        "-",
        "v1",
    ]
    assert rows[5] == ["c", "-", "unreadable", "-", "-", "-", "-", "-", "-", "-"]


def test_empty_workspace(tmp_path, capsys):
    assert cli.main(["runs", "--workspace", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out == f"no runs in {tmp_path / 'none'} yet\n"


def test_summary_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(SUMMARY, SCHEMA)


def _objects(node, path=()):
    if isinstance(node, dict):
        if path and path[-1] not in ("host", "audit", "not_measured", "values", "metrics", "hparams", "best"):
            yield path
        for key, value in node.items():
            yield from _objects(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _objects(value, (*path, index))


@pytest.mark.parametrize("path", [(), *_objects(SUMMARY)], ids=lambda path: ".".join(map(str, path)) or "root")
def test_summary_schema_is_closed_and_complete(path):
    validator = jsonschema.Draft202012Validator(SCHEMA)
    for damage in ("add", "remove"):
        damaged = copy.deepcopy(SUMMARY)
        node = damaged
        for part in path:
            node = node[part]
        if damage == "add":
            node["surprise"] = 1
        else:
            del node[next(iter(node))]
        assert not validator.is_valid(damaged), f"{damage} at {path}"

"""A search that is killed half-way, one that is resumed, and one whose budget nothing keeps."""

import json
import shutil
import time

import pytest

pytestmark = pytest.mark.integration

SEARCH = {"trials": 2, "epochs": 2, "max_macs": 20_000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, trained):
    """A workspace in which the data are prepared."""
    folder = tmp_path_factory.mktemp("search")
    shutil.copytree(trained, folder / "workspace", ignore=shutil.ignore_patterns("registry", "runs"))
    return folder


@pytest.fixture(scope="module")
def searching(folder, make_config):
    """`searching(**search)`: a configuration that searches among networks of one to three blocks, full or separable."""

    def make(**search):
        return make_config(folder, model={"hparams": {"filters": 4, "kernel_size": 3}, "search": SEARCH | search})

    return make


def kept(folder):
    """Every finished trial as its file stands there."""
    paths = (folder / "workspace" / "artifacts" / "search" / "trials").glob("*/*.json")
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def last_trials(folder):
    """What the latest search found, but for the time that it took."""
    paths = (folder / "workspace" / "artifacts" / "search" / "tuner_results").glob("*/trials.json")
    found = json.loads(max(paths, key=lambda path: int(path.parent.name)).read_text())
    return [{**trial, "seconds": None} for trial in found["trials"]]


@pytest.fixture(scope="module")
def before(folder, searching, start_cli):
    """The trials that a search had finished when it was killed."""
    process = start_cli("run", searching(), "--to", "search")
    deadline = time.monotonic() + 120
    while not kept(folder) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    said = process.communicate()
    assert len(kept(folder)) == 1, said
    assert not list((folder / "workspace" / "artifacts" / "search").glob("tuner_results/*/trials.json"))
    return kept(folder)


@pytest.fixture(scope="module")
def resumed(before, searching, run_here):
    return run_here(searching()).summary


def test_finished_trials_are_not_run_again(before, resumed, folder):
    after = kept(folder)
    assert before.items() <= after.items()
    assert len(after) == len(resumed["search"]["trials"])
    assert json.loads(next(iter(before.values()))[1]) == resumed["search"]["trials"][0]


def test_the_best_architecture_is_trained_and_pushed(resumed):
    assert resumed["status"] == "pushed"
    trials, best = resumed["search"]["trials"], resumed["search"]["best"]
    completed = [trial for trial in trials if trial["status"] == "completed"]
    assert len(completed) == SEARCH["trials"]
    chosen = next(trial for trial in completed if trial["hparams"] == best)
    assert chosen["value"] == max(trial["value"] for trial in completed)
    (variant,) = resumed["variants"]
    # Measured before training and reported by the edge check after it: the same network.
    assert (variant["size_bytes"], variant["macs"]) == (chosen["size_bytes"], chosen["macs"])
    assert chosen["macs"] <= SEARCH["max_macs"]
    assert len({trial["macs"] for trial in trials}) == len(trials)


def test_a_resumed_search_finds_what_an_undisturbed_one_finds(resumed, folder, searching, run_here):
    found = last_trials(folder)
    shutil.rmtree(folder / "workspace" / "artifacts" / "search" / "trials")
    undisturbed = run_here(searching(), end="search", no_cache=["search"]).summary
    assert {node["id"]: node["status"] for node in undisturbed["nodes"]}["search"] == "complete"
    assert last_trials(folder) == found


def test_a_budget_that_nothing_keeps(resumed, folder, searching, call):
    ended = call("run", searching(max_size_bytes=2000), "--json")
    assert ended.code == 1
    assert ended.nodes["search"] == "failed"
    assert ended.nodes["trainer"] == "not_run"
    assert "search failed: a search must complete at least one trial, got 6 over a budget" in ended.err
    sizes = [json.loads(content)["size_bytes"] for _, content in kept(folder).values()]
    assert len(sizes) == 6
    assert f"; max_size_bytes is 2,000, the least seen is {min(sizes):,} bytes (blocks " in ended.err
    assert "max_macs" not in ended.err.splitlines()[0]  # some keep that one
    assert ended.result["search"] is None
    assert ended.result["not_measured"]["search"] == "the search did not finish"


def test_a_value_that_builds_no_model_is_refused_before_any_data_is_read(folder, make_config, call, monkeypatch):
    (folder / "searched.py").write_text(
        "from models.digits import *\nfrom models.digits import build_model as build\n\n\n"
        "def search_space():\n    return {'filters': [4, 8], 'blocks': [1, 9]}\n\n\n"
        "def build_model(hparams):\n    return build(hparams)\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    ended = call("run", make_config(folder, model={"module": "searched", "hparams": None, "search": SEARCH}))
    assert ended.code == 2
    assert "model.search: with filters 4, blocks 9: searched.build_model must build a model, but raised" in ended.err

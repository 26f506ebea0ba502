"""The gate in a whole pipeline: slices, too little data, budgets, a choice by latency."""

import json
from importlib.util import find_spec

import pytest

pytestmark = pytest.mark.integration

VARIANTS = {
    "float16": [{"quantize": {"mode": "float16"}}],
    "int8": [{"quantize": {"mode": "int8"}}],
}
TRAIN = {"epochs": 8, "batch_size": 16}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gate")


@pytest.fixture(scope="module")
def run_with(folder, make_config, run_here):
    """Runs in one workspace, so that data, training and conversions are done once."""

    def run(**changes):
        return run_here(make_config(folder, variants=VARIANTS, train=TRAIN, **changes)).summary

    return run


def by_name(summary):
    return {variant["name"]: variant for variant in summary["variants"]}


def test_slices_are_reported_and_judged(run_with):
    """No digit is left out, and one with too few examples blocks although the rest passes."""
    slices = [{"by": ["label"]}, {"where": {"label": 3}, "max_drop": 0.9, "min_examples": 500}]
    summary = run_with(gate={"metric": "accuracy", "max_drop": 0.1, "slices": slices})
    variant = by_name(summary)["int8"]
    assert sorted(part["values"]["label"] for part in variant["slices"]) == list(range(10))
    assert sum(part["examples"] for part in variant["slices"]) == summary["n_examples"]["eval"]
    assert variant["status"] == "not_enough_data"
    (rule,) = [rule for rule in variant["gates"] if rule["slice"]]
    assert (rule["slice"], rule["state"], rule["needed_examples"]) == ("label=3", "not_enough_data", 500)
    assert "must hold at least 500 examples" in variant["reasons"][0]
    assert summary["status"] == "blocked"


def test_too_strict_a_rule_asks_for_data_instead_of_guessing(run_with):
    """A model that answers almost alike cannot be told from one that loses a thousandth on 578 examples."""
    summary = run_with(gate={"metric": "accuracy", "max_drop": 0.001})
    variant = by_name(summary)["float16"]
    assert abs(variant["drop"]) <= 0.001
    assert variant["status"] == "not_enough_data"
    assert "examples cannot decide" in variant["reasons"][0]
    (rule,) = variant["gates"]
    assert rule["needed_examples"] > summary["n_examples"]["eval"]


def test_budget_blocks_what_is_too_large_and_keeps_the_rest(run_with):
    sizes = {name: variant["size_bytes"] for name, variant in by_name(run_with()).items()}
    assert sizes["int8"] != sizes["float16"]
    small, large = sorted(sizes, key=sizes.get)
    summary = run_with(edge={"max_size_bytes": sizes[large] - 1})
    found = by_name(summary)
    assert (found[large]["status"], found[large]["stage"]) == ("blocked", f"edge-{large}")
    assert f"{sizes[large] - 1}" in found[large]["reasons"][0].replace(",", "")
    assert (found[small]["status"], summary["selected"]) == ("passed", small)


def test_budget_that_cannot_be_measured_blocks(run_with):
    """Without the interpreter of microcontrollers nobody knows the arena; that is no pass."""
    if find_spec("tflite_micro"):
        pytest.skip("tflite-micro is installed, so the arena is measured")
    summary = run_with(edge={"profile": "mcu", "max_arena_bytes": 10**9})
    assert summary["status"] == "blocked"
    variant = by_name(summary)["int8"]
    assert (variant["status"], variant["arena_bytes"]) == ("blocked", None)
    assert "EXTRAS=devices" in " ".join(variant["reasons"])
    assert "arena_bytes" in variant["not_measured"]


def test_fastest_is_chosen_by_median_latency(run_with):
    summary = run_with(select="fastest")
    times = {name: variant["latency_ms"]["p50"] for name, variant in by_name(summary).items()}
    assert summary["selected"] == min(times, key=times.get)
    assert summary["selection_reason"].startswith("fastest of 2 that passed")


def test_flips_lie_beside_the_evaluation(run_with, folder):
    run_with()
    files = sorted(folder.glob("workspace/artifacts/gate-int8/evaluation/*/flips.json"))
    flips = json.loads(files[-1].read_text())["flips"]
    assert len(flips) <= 100
    for flip in flips:
        assert flip["label"] == flip["baseline"] != flip["candidate"]

"""Every compression step in one pipeline on real digits: what each promised stands in the finished file."""

import json
from pathlib import Path

import pytest
import yaml

from pipeline.config import load
from pipeline.steps import STEPS

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def summary(tmp_path_factory, digits, run_here):
    """The shipped configuration, on the test's own copy of the data."""
    folder = tmp_path_factory.mktemp("all-steps")
    content = yaml.safe_load((ROOT / "configs" / "digits_all_steps.yaml").read_text())
    content["data"]["path"] = str(digits)
    content["runtime"] = {"workspace": str(folder / "workspace")}
    path = folder / "edge.yaml"
    path.write_text(yaml.safe_dump(content))
    return run_here(path).summary


@pytest.fixture(scope="module")
def variants(summary):
    return {variant["name"]: variant for variant in summary["variants"]}


def test_the_configuration_holds_every_step():
    config = load(ROOT / "configs" / "digits_all_steps.yaml")
    assert {step.kind for steps in config.variants.values() for step in steps} == set(STEPS)


def test_no_variant_fails_and_no_promise_is_broken(summary, variants):
    assert summary["status"] == "pushed"
    for variant in variants.values():
        assert variant["status"] in ("passed", "not_enough_data"), json.dumps(variant["reasons"])
        assert variant["audit"]["promises"]["broken"] == []


def test_removed_channels_shrink_the_raw_file(summary, variants):
    for name in ("channels", "channels_qat"):
        assert variants[name]["size_bytes"] < 0.25 * summary["baseline"]["size_bytes"]
        assert variants[name]["macs"] < 0.5 * variants["two_of_four"]["macs"]


def test_pruned_and_clustered_weights_share_sixteen_values_in_the_file(variants):
    small = variants["small"]
    assert small["distinct_weights"] <= 16
    assert small["sparsity"] == pytest.approx(0.85, abs=0.01)
    assert small["entropy_bytes"] < small["gzip_bytes"] < 0.5 * small["size_bytes"]


def test_the_student_is_another_network(summary, variants):
    layers = {row["name"] for row in variants["student"]["audit"]["weights"]}
    assert any("depthwise" in name for name in layers)
    assert variants["student"]["size_bytes"] < 0.25 * summary["baseline"]["size_bytes"]

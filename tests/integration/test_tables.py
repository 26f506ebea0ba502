"""Tables through the whole pipeline, by the configurations of this repository."""

from pathlib import Path

import pytest
import yaml

from pipeline.datasets import fetch

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def shipped(tmp_path):
    """`shipped(name)` writes the configuration with its table and its workspace elsewhere."""

    def write(name: str) -> Path:
        content = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())
        content["data"]["path"] = str(fetch(content["name"], tmp_path / name, None, {}).folder / f"{name}.csv")
        content["runtime"] = {"workspace": str(tmp_path / "workspace")}
        path = tmp_path / "edge.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    return write


def test_too_few_patients_are_not_enough_data(shipped, run_here):
    summary = run_here(shipped("diabetes")).summary
    assert summary["status"] == "blocked"
    assert {variant["status"] for variant in summary["variants"]} == {"not_enough_data"}
    for variant in summary["variants"]:
        (gate,) = (check for check in variant["gates"] if check["state"] == "not_enough_data")
        assert gate["needed_examples"] > summary["n_examples"]["eval"]


def test_a_table_becomes_a_model_that_takes_its_columns(shipped, run_here):
    summary = run_here(shipped("breast_cancer")).summary
    assert summary["status"] == "pushed"
    (pushed,) = (variant for variant in summary["variants"] if variant["name"] == summary["selected"])
    assert pushed["value"] > 0.9
    inputs = {entry["name"] for entry in pushed["audit"]["inputs"]}
    assert {"mean_radius", "worst_fractal_dimension", "area_error"} <= inputs
    assert len(inputs) == 30

"""The page that the summary node writes, for runners that write none themselves."""

import json
import types

import pytest
from tfx.types.standard_artifacts import ModelEvaluation

from components import summary as node

FACTS = {
    "name": "shapes", "seed": 1, "config_sha256": "a" * 64, "metric": "accuracy", "level": 0.95,
    "steps": {"int8": ["quantize int8"]},
    "nodes": {"int8": {"quantize": "quantize-int8", "gate": "gate-int8", "edge": "edge-int8"}},
}  # fmt: skip


@pytest.fixture
def written(tmp_path):
    """Calls the node without any artifact, as in a run that failed early, and returns its folder."""

    def call():
        artifact = ModelEvaluation()
        artifact.uri = str(tmp_path / "summary")
        context = types.SimpleNamespace(pipeline_run_id="run-1", get_tmp_path=lambda: str(tmp_path))
        executor = node._Executor()
        executor._context = context
        executor.Do({}, {"summary": [artifact]}, {"facts": json.dumps(FACTS)})
        return tmp_path / "summary"

    return call


def test_the_node_writes_the_page_beside_summary_and_details(written):
    folder = written()
    text = (folder / "report.html").read_text()
    assert "<h1>The run failed: no variant got through.</h1>" in text
    assert {path.name for path in folder.iterdir()} == {"summary.json", "details.json", "report.html"}


def test_a_fault_in_the_page_costs_the_page_alone(written, monkeypatch, caplog):
    def fail(*_):
        raise KeyError("a fault")

    monkeypatch.setattr("report.run_page.render", fail)
    folder = written()
    assert {path.name for path in folder.iterdir()} == {"summary.json", "details.json"}
    assert "the page of the run was not written" in caplog.text

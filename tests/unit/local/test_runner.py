"""The loop over a compiled graph, with one small node."""

from pathlib import Path

import pytest
import tfx  # noqa: F401 - first: it repairs names that TFMA and TFDV lost
from tfx.orchestration import metadata
from tfx.orchestration.pipeline import Pipeline

from components.import_schema import ImportSchema
from pipeline.runner import LocalRun, Selection, State


@pytest.fixture
def run(tmp_path):
    """`run(run_id)` runs the node; returns its result."""

    def execute(run_id):
        pipeline = Pipeline(
            pipeline_name="small",
            pipeline_root=str(tmp_path / "artifacts"),
            metadata_connection_config=metadata.sqlite_metadata_connection_config(str(tmp_path / "metadata.sqlite")),
            enable_cache=True,
            components=[ImportSchema(text='feature { name: "label" type: INT }').with_id("schema")],
        )
        results = []
        LocalRun(pipeline, run_id, Selection(), never_cached=(), tolerant=()).execute(
            lambda _: None, results.append, lambda *_: None
        )
        (result,) = results
        return result

    return execute


def test_outputs_of_a_node_from_the_cache_are_those_that_were_made_before(run):
    """Not the place that they would have been written to, where nothing stands."""
    first, second = run("one"), run("two")
    assert (first.state, second.state) == (State.COMPLETE, State.CACHED)
    (made,), (found,) = first.outputs["schema"], second.outputs["schema"]
    assert found.uri == made.uri
    assert (Path(found.uri) / "schema.pbtxt").exists()

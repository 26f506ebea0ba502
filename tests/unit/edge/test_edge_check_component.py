"""The TFX component: a standard blessing, a report and golden pairs; a bad model is a result and not an error."""

import json

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model, TransformGraph

from components import edge_check, model_artifact
from components.errors import InputError
from compression.edge.golden import Golden, verify_golden


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Twelve transformed examples of split `eval` and the schema of a transform graph, as Transform writes them."""
    root = tmp_path_factory.mktemp("data")
    schema = text_format.Parse(
        'feature {name: "t0" type: FLOAT shape {dim {size: 4}} presence {min_fraction: 1}}'
        'feature {name: "label" type: INT presence {min_fraction: 1}}',
        schema_pb2.Schema(),
    )
    (root / "graph" / "transformed_metadata").mkdir(parents=True)
    (root / "graph" / "transformed_metadata" / "schema.pbtxt").write_text(text_format.MessageToString(schema))
    folder = root / "examples" / "Split-eval"
    folder.mkdir(parents=True)
    with tf.io.TFRecordWriter(str(folder / "part-0.gz"), "GZIP") as writer:
        for position in range(12):
            example = tf.train.Example()
            example.features.feature["t0"].float_list.value.extend([position / 12] * 4)
            example.features.feature["label"].int64_list.value.append(position)
            writer.write(example.SerializeToString())
    return root


@pytest.fixture
def run(data, tmp_path, profiles):
    def run_one(content, settings="{}", split="eval"):
        artifacts = {}
        for name, kind, uri in (
            ("model", Model, tmp_path / "model"),
            ("examples", Examples, data / "examples"),
            ("transform_graph", TransformGraph, data / "graph"),
            ("blessing", InfraBlessing, tmp_path / "blessing"),
        ):
            artifacts[name] = kind()
            artifacts[name].uri = str(uri)
        artifacts["examples"].split_names = json.dumps([split])
        if content is not None:
            model_artifact.save_tflite(content, artifacts["model"], [])
        edge_check.EdgeCheck.test_call(
            **artifacts,
            settings=settings,
            profile=profiles["cpu"].model_dump_json(),
            host_key="here",
            code_sha256="0",
        )
        return artifacts["blessing"], tmp_path / "blessing"

    return run_one


def test_a_good_model_is_blessed_with_report_and_golden_pairs(run, tools, tmp_path):
    blessing, folder = run(tools.dense_int8(), '{"max_size_bytes": 10000}')
    assert blessing.get_int_custom_property("blessed") == 1
    assert sorted(path.name for path in folder.iterdir()) == ["INFRA_BLESSED", "edge_report.json", "golden.npz"]
    report = edge_check.read_report(blessing)
    assert (report.passed, report.examples) == (True, 12)
    pairs = Golden.load(edge_check.golden_path(blessing))
    assert pairs.inputs.keys() == {"t0"}
    # Real eval examples, in order: 0/12, 1/12, ... in steps of 0.1, rounded.
    np.testing.assert_array_equal(pairs.inputs["t0"][:, 0], np.floor(np.arange(10) / 1.2 + 0.5))
    assert verify_golden(tmp_path / "model" / "Format-Serving" / "tflite", edge_check.golden_path(blessing)) == []


def test_a_missed_budget_is_not_blessed_but_has_golden_pairs(run, tools):
    blessing, folder = run(tools.dense_int8(), '{"max_size_bytes": 10}')
    assert blessing.get_int_custom_property("blessed") == 0
    assert (folder / "INFRA_NOT_BLESSED").exists()
    assert not (folder / "INFRA_BLESSED").exists()
    assert "at most 10 bytes" in edge_check.read_report(blessing).reasons[0]
    assert edge_check.golden_path(blessing) is not None


def test_a_crashing_model_is_a_result(run, tools):
    blessing, _ = run(tools.bottomless())
    assert blessing.get_int_custom_property("blessed") == 0
    assert "SIGSEGV" in edge_check.read_report(blessing).reasons[0]
    assert edge_check.golden_path(blessing) is None


def test_a_split_without_examples_is_our_fault(run, tools, data):
    with pytest.raises((InputError, ValueError)):
        run(tools.dense_int8(), split="train")

"""Nodes whose state lies in the registry: the frozen schema, what became of a cycle, and where a model came from."""

import json
from pathlib import Path

import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import (
    ExampleAnomalies,
    Examples,
    ExampleStatistics,
    Model,
    ModelEvaluation,
    PushedModel,
    Schema,
)

from components import edge_pusher, model_artifact
from components.cycle_record import CycleRecord
from components.cycles.cluster import Order, begin
from components.cycles.fingerprint import Fingerprint
from components.cycles.kept import KeptRecords
from components.cycles.record import Status
from components.data_guard import DataGuard
from components.errors import InputError
from components.ingest import NOTE_FILE
from components.ingest_spec import IngestSpec
from components.registry_schema import RegistrySchema
from registry import Registry

FROZEN = 'feature { name: "image" type: INT presence { min_fraction: 1.0 } }\n'


def at(artifact, folder):
    artifact.uri = str(folder)
    Path(folder).mkdir(parents=True, exist_ok=True)
    return artifact


@pytest.fixture
def registry(tmp_path):
    return str(tmp_path / "registry")


@pytest.fixture
def examples(tmp_path, registry):
    """What ingest leaves when it has begun a cycle."""
    made = at(Examples(), tmp_path / "examples")
    spec = IngestSpec("tfrecord", "label", "multiclass", {}, ())
    note = begin(Order(registry, Fingerprint((), {}, "code", {}, {})), spec, made.uri)
    (tmp_path / "examples" / NOTE_FILE).write_text(note.to_json())
    return made


def anomalies(folder, *found):
    made = at(ExampleAnomalies(), folder)
    made.split_names = artifact_utils.encode_split_names(["train"])
    report = anomalies_pb2.Anomalies()
    for name in found:
        report.anomaly_info[name].description = "is missing"
    (Path(at(Examples(), folder / "Split-train").uri) / "SchemaDiff.pb").write_bytes(report.SerializeToString())
    return made


def test_a_refused_span_is_kept_before_the_guard_fails(tmp_path, registry, examples):
    bad = anomalies(tmp_path / "bad", "image")
    for _ in range(2):
        with pytest.raises(InputError, match="train: feature 'image': is missing"):
            DataGuard.test_call(anomalies=bad, examples=examples)
    (record,) = KeptRecords(registry).all()
    assert (record.status, record.exit_code, record.pushed_version) == (Status.REFUSED, 1, None)
    assert "train: feature 'image': is missing" in record.error


def test_data_that_fit_are_not_kept_by_the_guard(tmp_path, registry, examples):
    DataGuard.test_call(anomalies=anomalies(tmp_path / "good"), examples=examples)
    assert KeptRecords(registry).all() == []


def test_new_values_of_what_divides_the_splits_are_no_fault(tmp_path):
    found = anomalies(tmp_path / "found", "person", "place")
    path = tmp_path / "found" / "Split-train" / "SchemaDiff.pb"
    report = anomalies_pb2.Anomalies.FromString(path.read_bytes())
    for name in ("person", "place"):
        report.anomaly_info[name].reason.add(type="ENUM_TYPE_UNEXPECTED_STRING_VALUES")
    path.write_bytes(report.SerializeToString())
    with pytest.raises(InputError, match="has 1 anomalies: train: feature 'place'"):
        DataGuard.test_call(anomalies=found, divides="person")
    report.anomaly_info["person"].reason.add(type="FEATURE_TYPE_LOW_FRACTION_PRESENT")
    path.write_bytes(report.SerializeToString())
    with pytest.raises(InputError, match="has 2 anomalies"):
        DataGuard.test_call(anomalies=found, divides="person")


def test_on_this_machine_the_guard_keeps_nothing(tmp_path, registry):
    bad, plain = anomalies(tmp_path / "bad", "image"), at(Examples(), tmp_path / "plain")
    for more in ({}, {"examples": plain}):
        with pytest.raises(InputError):
            DataGuard.test_call(anomalies=bad, **more)
    assert not Path(registry).exists()


def summary(folder, **changes):
    variant = {"name": "int8", "value": 0.9, "size_bytes": 6000, "gzip_bytes": 4000}
    told = {
        "run_id": "run-1",
        "status": "pushed",
        "exit_code": 0,
        "pushed": {"version": 4},
        "selected": "int8",
        "variants": [variant],
        "baseline": {"metric": "accuracy", "value": 0.92},
        "data": {"drift": {"distance": 0.1, "feature": "label"}},
    }
    made = at(ModelEvaluation(), folder)
    (folder / "summary.json").write_text(json.dumps(told | changes))
    return made


def test_the_last_node_keeps_what_the_run_came_to(tmp_path, registry, examples):
    for _ in range(2):
        CycleRecord.test_call(examples=examples, summary=summary(tmp_path / "summary"))
    (record,) = KeptRecords(registry).all()
    assert (record.number, record.status, record.pushed_version, record.run_id) == (1, Status.PUSHED, 4, "run-1")
    found = record.measured
    assert (found.metric, found.value, found.baseline, found.size_bytes) == ("accuracy", 0.9, 0.92, 6000)
    assert (found.selected, found.drift["feature"]) == ("int8", "label")
    assert record.reasons == ("there was no cycle before",)


@pytest.mark.parametrize(("status", "code", "conclusive"), [("blocked", 0, True), ("failed", 1, False)])
def test_nothing_pushed(tmp_path, registry, examples, status, code, conclusive):
    told = summary(tmp_path / "summary", status=status, exit_code=code, pushed=None, selected=None, run_id=None)
    CycleRecord.test_call(examples=examples, summary=told)
    (record,) = KeptRecords(registry).all()
    assert (record.status, record.pushed_version, record.is_conclusive) == (status, None, conclusive)


def test_without_a_cycle_there_is_nothing_to_keep(tmp_path):
    with pytest.raises(InputError, match="must hold a cycle that ingest has begun"):
        CycleRecord.test_call(examples=at(Examples(), tmp_path / "plain"), summary=summary(tmp_path / "summary"))


@pytest.fixture
def statistics(tmp_path):
    """Of a train split with one feature, and of an eval split with another that nobody promised."""
    made = at(ExampleStatistics(), tmp_path / "statistics")
    made.split_names = artifact_utils.encode_split_names(["train", "eval"])
    for split, name in (("train", "image"), ("eval", "surprise")):
        told = statistics_pb2.DatasetFeatureStatisticsList()
        feature = told.datasets.add(num_examples=2).features.add(type=statistics_pb2.FeatureNameStatistics.INT)
        feature.path.step.append(name)
        common = feature.num_stats.common_stats
        common.num_non_missing, common.min_num_values, common.max_num_values = 2, 1, 1
        common.tot_num_values = 2
        common.avg_num_values = 1.0
        path = tmp_path / "statistics" / f"Split-{split}" / "FeatureStats.pb"
        path.parent.mkdir()
        path.write_bytes(told.SerializeToString())
    return made


def push(registry, tmp_path, content=b"model", **extra):
    files = {}
    for name, text in {"model": content, **extra}.items():
        files[name] = tmp_path / f"pushed-{name}"
        files[name].write_bytes(text)
    extras = {"schema.pbtxt": files["schema"]} if "schema" in files else {}
    return Registry(registry).push(files["model"], {"identity": content.decode()}, extras)


def read_schema(tmp_path, statistics, registry, name="schema"):
    made = at(Schema(), tmp_path / name)
    RegistrySchema.test_call(statistics=statistics, schema=made, registry=registry)
    (file,) = Path(made.uri).iterdir()  # TFX takes the only file
    parsed = text_format.Parse(file.read_text(), schema_pb2.Schema())
    return made.get_string_custom_property("source"), [feature.name for feature in parsed.feature], file.read_text()


def test_before_the_first_push_the_schema_is_inferred_from_train_alone(tmp_path, statistics, registry):
    source, features, _ = read_schema(tmp_path, statistics, registry)
    assert (source, features) == ("inferred", ["image"])
    push(registry, tmp_path)  # by a run on a machine, whose workspace keeps the schema
    assert read_schema(tmp_path, statistics, registry, "again")[0] == "inferred"


def test_the_schema_is_that_of_the_version_in_the_field(tmp_path, statistics, registry):
    push(registry, tmp_path, b"one", schema=FROZEN.encode())
    assert read_schema(tmp_path, statistics, registry) == ("frozen", ["image"], FROZEN)
    changed = FROZEN.replace("image", "picture")
    push(registry, tmp_path, b"two", schema=changed.encode())
    assert read_schema(tmp_path, statistics, registry, "second")[2] == changed
    Registry(registry).rollback()
    assert read_schema(tmp_path, statistics, registry, "third")[2] == FROZEN


def test_a_broken_schema_is_named(tmp_path, statistics, registry):
    push(registry, tmp_path, schema=b"feature {")
    with pytest.raises(InputError, match=r"versions/1/schema.pbtxt must be a tensorflow_metadata Schema .*roll back"):
        read_schema(tmp_path, statistics, registry)


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """A real file: the card of a version reads its interface."""
    model, folder = tf.Module(), str(tmp_path_factory.mktemp("saved"))
    double = tf.function(lambda x: {"y": 2.0 * x}, input_signature=[tf.TensorSpec((1, 2), tf.float32, "x")])
    tf.saved_model.save(model, folder, signatures={"serving_default": double})
    return tf.lite.TFLiteConverter.from_saved_model(folder).convert()


@pytest.fixture
def pushing(tmp_path, registry, content):
    """`pushing(**inputs)` pushes a selected model; returns the current version."""
    selected = at(Model(), tmp_path / "selected")
    audit = {"sparsity": 0.0, "distinct_weights": 0, "operators": {"MUL": 1}, "float_operators": ["MUL"]}
    tensor = {"name": "x", "shape": [1, 2], "dtype": "float32", "scale": 0.0, "zero_point": 0}
    report = {"step": "quantize", "inputs": [tensor], "outputs": [tensor | {"name": "y"}], "audit": audit}
    model_artifact.save_tflite(content, selected, [report])
    edge = {"profile": "cpu", "latency": None, "host": {}, "arena_bytes": None, "arena_source": None, "macs": None}
    chosen = {
        "selected": "int8",
        "reason": "smallest",
        "gate": {"confidence": 0.95, "examples": 1, "metrics": {}},
        "slices": [],
        "checks": [],
        "edge": {**edge, "size_bytes": len(content), "gzip_bytes": 1},
        "champion": None,
    }
    (tmp_path / "selected" / "selection.json").write_text(json.dumps(chosen))
    (tmp_path / "selected" / edge_pusher.GOLDEN_FILE).write_bytes(b"golden")
    known = {"name": "small", "steps": {"int8": []}, "label_names": None, "task": "multiclass", "seed": 1}
    facts = json.dumps({**known, "config_sha256": "0" * 64, "card": {}})

    def run(**inputs):
        pushed = at(PushedModel(), tmp_path / "pushed")
        properties = {"registry": registry, "facts": facts, "keep": "null", "sign_key_env": "", "code_sha256": ""}
        told = {name: [artifact] for name, artifact in {"selected": selected, **inputs}.items()}
        edge_pusher.EdgePusher.EXECUTOR_SPEC.executor_class().Do(told, {"pushed": [pushed]}, properties)
        return Registry(registry).current()

    return run


def test_the_schema_is_a_file_of_the_version(tmp_path, pushing, content):
    assert "schema.pbtxt" not in pushing().names()
    schema = at(Schema(), tmp_path / "given")
    (tmp_path / "given" / "schema.pbtxt").write_text(FROZEN)
    Path(tmp_path / "selected" / "Format-Serving" / "tflite").write_bytes(content + bytes(4))
    version = pushing(schema=schema)
    assert version.read("schema.pbtxt").decode() == FROZEN
    assert "schema.pbtxt" in version.manifest["files"]


def test_lineage_is_named_as_others_find_it(tmp_path, pushing, monkeypatch):
    mount = tmp_path / "s3"
    parent = at(Model(), mount / "bucket" / "root" / "trainer" / "model")
    (mount / "bucket" / "root" / "trainer" / "model" / "weights").write_bytes(b"1")
    monkeypatch.setenv("TFX_EDGE_MOUNTS", json.dumps({f"{mount}/": "s3://"}))
    lineage = pushing(float_model=parent).manifest["lineage"]
    assert lineage["float_model"]["uri"] == "s3://bucket/root/trainer/model"
    assert len(lineage["float_model"]["sha256"]) == 64

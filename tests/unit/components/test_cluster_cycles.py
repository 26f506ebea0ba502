"""A cycle on a cluster: ingest decides when it runs, and the registry remembers."""

import json
import shutil
from dataclasses import replace

import apache_beam as beam
import pytest
import tensorflow as tf
from tfx.types.standard_artifacts import Examples

from components.cycles.cluster import Order
from components.cycles.fingerprint import Fingerprint
from components.cycles.kept import KeptRecords
from components.cycles.record import Status
from components.errors import InputError
from components.ingest import Ingest, read_facts, read_note, read_window
from components.ingest_spec import IngestSpec, SplitShare
from registry import RegistryError

SHARES = (SplitShare("train", "", 0, 5, 10), SplitShare("validation", "", 5, 6, 10), SplitShare("eval", "", 6, 10, 10))
CODE = Fingerprint((), {"models.digits": "one"}, "nodes", {}, {"train": {"epochs": 3}})


def write_span(root, span, label=lambda number: number % 3):
    path = root / f"span-{span}" / "part"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number in range(40):
            values = {"image": [span, number], "label": [label(number)]}
            feature = {
                key: tf.train.Feature(int64_list=tf.train.Int64List(value=value)) for key, value in values.items()
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


class Cluster:
    """Runs ingest as the steps of scheduled runs."""

    def __init__(self, folder) -> None:
        self.data, self.registry, self._folder, self._runs = folder / "data", str(folder / "registry"), folder, 0
        self.order = Order(self.registry, CODE)

    def ingest(self, run=None, force="no") -> Examples:
        self._runs += run is None
        examples = Examples()
        examples.uri = str(self._folder / f"run-{run or self._runs}" / "examples")
        spec = IngestSpec("tfrecord", "label", "multiclass", {}, SHARES, path=f"{self.data}/span-{{SPAN}}", spans=2)
        Ingest.test_call(
            examples=examples,
            spec=spec.to_json(),
            cycle=self.order.to_json(),
            force=force,
            beam_pipeline=beam.Pipeline("FnApiRunner"),
        )
        return examples

    def records(self):
        return KeptRecords(self.registry).all()


def told(examples):
    return examples.get_int_custom_property("new"), examples.get_string_custom_property("reason")


@pytest.fixture
def cluster(tmp_path):
    made = Cluster(tmp_path)
    write_span(made.data, 1)
    return made


@pytest.fixture
def deciding(cluster, monkeypatch):
    """A cluster whose ingest decides and reads nothing: a Beam job takes a third of a second."""
    monkeypatch.setattr("components.ingest._read", lambda *args: None)
    return cluster


def test_new_data_are_read_and_nothing_new_is_left_alone(cluster):
    first = cluster.ingest()
    assert told(first) == (1, "there was no cycle before")
    assert sum(read_facts(first.uri).examples.values()) == 40
    read_note(first.uri).close(Status.PUSHED, pushed_version=1)
    second = cluster.ingest()
    assert told(second) == (0, "nothing new since cycle 1 (pushed version 1)")
    with pytest.raises(tf.errors.NotFoundError):
        read_window(second.uri)
    assert len(cluster.records()) == 1
    write_span(cluster.data, 2)
    third = cluster.ingest()
    assert told(third) == (1, "span 2 is new (1 file)")
    assert [span["span"] for span in read_window(third.uri)["spans"]] == [1, 2]


def test_what_a_run_came_to_is_kept_with_all_it_depended_on(deciding):
    examples = deciding.ingest()
    kept = read_note(examples.uri).close(Status.BLOCKED, run_id="a-run", exit_code=0)
    assert deciding.records() == [kept]
    assert (kept.number, kept.status, kept.spans, kept.examples) == (1, Status.BLOCKED, [1], examples.uri)
    assert kept.fingerprint == replace(CODE, files=kept.fingerprint.files)
    assert kept.seconds is not None
    assert kept.ended_at >= kept.started_at
    assert told(deciding.ingest()) == (0, "nothing new since cycle 1 (blocked)")


def test_a_run_that_ended_without_a_word_is_tried_again(deciding):
    deciding.ingest()
    assert told(deciding.ingest()) == (1, "there was no cycle before")
    read_note(deciding.ingest().uri).close(Status.FAILED)
    assert told(deciding.ingest()) == (1, "cycle 1 failed: it is tried again")


def test_a_run_whose_data_were_refused_has_not_failed(deciding):
    note = read_note(deciding.ingest().uri)
    refused = note.refuse("the data must fit its schema")
    assert note.close(Status.FAILED) == refused
    assert note.close(Status.PUSHED, pushed_version=1).number == 2


def test_code_and_configuration_are_those_of_the_compiled_pipeline(deciding):
    read_note(deciding.ingest().uri).close(Status.PUSHED, pushed_version=1)
    changed = replace(CODE, config={"train": {"epochs": 4}}, model_code={"models.digits": "two"})
    deciding.order = replace(deciding.order, fingerprint=changed)
    assert told(deciding.ingest()) == (1, "model module models.digits changed; configuration changed: train.epochs")
    deciding.order = Order(deciding.registry, CODE)
    assert told(deciding.ingest())[0] == 0
    assert told(deciding.ingest(force="yes")) == (1, "forced")
    with pytest.raises(InputError, match="the parameter force of a run must be yes or no, got '1'"):
        deciding.ingest(force="1")


def test_refused_data_are_kept_as_such_and_left_alone(cluster):
    read_note(cluster.ingest().uri).close(Status.PUSHED, pushed_version=1)
    write_span(cluster.data, 2, label=lambda number: -1)
    for _ in range(2):  # a task that is tried again refuses again, and is kept once
        with pytest.raises(InputError, match="the data breaks the contract"):
            cluster.ingest(run=2)
    assert [record.status for record in cluster.records()] == [Status.PUSHED, Status.REFUSED]
    assert "the data breaks the contract" in cluster.records()[-1].error
    assert told(cluster.ingest(run=3)) == (0, "nothing new since cycle 2 (its data were refused)")
    write_span(cluster.data, 2)
    assert told(cluster.ingest(run=4)) == (1, "span 2 changed (1 file)")


def test_a_task_that_is_tried_again_decides_as_before(deciding):
    examples = deciding.ingest(run=1)
    for _ in range(2):
        read_note(examples.uri).close(Status.PUSHED, pushed_version=1)
    assert len(deciding.records()) == 1
    shutil.rmtree(examples.uri)
    assert told(deciding.ingest(run=1))[0] == 1


def test_conditions_of_kubeflow_can_read_it(deciding):
    from tfx.orchestration.kubeflow.v2.container.kubeflow_v2_entrypoint_utils import to_runtime_artifact

    metadata = to_runtime_artifact(deciding.ingest(), {}).metadata
    assert (metadata["new"], metadata["reason"]) == (1.0, "there was no cycle before")


def test_examples_are_known_by_where_they_really_lie(deciding, monkeypatch, tmp_path):
    monkeypatch.setenv("TFX_EDGE_MOUNTS", json.dumps({str(tmp_path): "s3://bucket/root"}))
    assert read_note(deciding.ingest().uri).begun.examples == "s3://bucket/root/run-1/examples"


def test_a_record_that_somebody_edited_says_nothing(deciding, tmp_path):
    read_note(deciding.ingest().uri).close(Status.PUSHED, pushed_version=1)
    write_span(deciding.data, 2)
    read_note(deciding.ingest().uri).close(Status.BLOCKED)
    (tmp_path / "registry" / "cycles" / "00000002.json").write_text('{"number": 2}')
    assert told(deciding.ingest()) == (1, "span 2 is new (1 file)")


def test_a_registry_that_cannot_be_read_ends_the_run(deciding, tmp_path):
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "current.json").write_text("{")
    with pytest.raises(RegistryError, match="must hold one JSON object"):
        deciding.ingest()


def test_an_order_travels_as_text():
    named = replace(CODE, config={"data": {"label_names": ["{{workflow.name}}", "b"]}})
    order = Order("s3://bucket/registry", named)
    assert Order.from_json(order.to_json()) == order
    assert "{{" not in order.to_json(), "a cluster would take it for a placeholder"

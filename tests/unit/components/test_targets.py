"""Labels of several outputs on their way from records to training: the contract, and what a step reads."""

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils
from tfx.types.standard_artifacts import Examples

from components import contract
from components.errors import InputError
from components.ingest import Ingest, read_facts
from components.ingest_spec import IngestSpec, SourceFile, SplitShare
from components.targets import to_text
from components.transformed_data import transformed_split

LABEL = to_text({"digit": "label", "parity": "odd", "size": "sum"})
TASK = to_text({"digit": "multiclass", "parity": "binary", "size": "regression"})


def feature(value):
    if value is None:
        return tf.train.Feature()
    if isinstance(value, float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=np.ravel(value)))


def record(**values):
    made = {name: feature(value) for name, value in {"label": 3, "odd": 1, "sum": 2.5, "x": 7, **values}.items()}
    return tf.train.Example(features=tf.train.Features(feature=made))


def spec_of(*files, label=LABEL, task=TASK):
    shares = (SplitShare("train", "", 0, 8, 10), SplitShare("eval", "", 8, 10, 10))
    return IngestSpec("tfrecord", label, task, {}, shares, files)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"label": -1}, ("label_negative", "label")),
        ({"odd": 2}, ("label_not_binary", "odd")),
        ({"odd": 1.0}, ("label_type", "odd")),
        ({"odd": None}, ("label_missing", "odd")),
        ({"odd": [0, 1]}, ("label_missing", "odd")),
        ({"sum": 3}, None),
        ({"sum": float("inf")}, ("not_finite", "sum")),
    ],
)
def test_every_label_keeps_the_contract_of_its_task(changes, fault):
    assert contract.record_fault(record(**changes), spec_of()) == fault


def test_faults_say_what_each_label_must_be():
    facts = contract.Facts(record_faults={("label_type", "odd", "a"): 2, ("label_type", "sum", "a"): 1})
    assert contract.faults(facts, spec_of()) == [
        "a: label 'odd' must be one integer; 2 record(s) break this",
        "a: label 'sum' must be one number; 1 record(s) break this",
    ]


def test_classes_are_counted_for_every_label(tmp_path):
    path = tmp_path / "data"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number in range(60):
            writer.write(record(label=number % 3, odd=0, x=number).SerializeToString())
    examples = Examples()
    examples.uri = str(tmp_path / "out")
    spec = spec_of(SourceFile(str(path), "", 1, ""))
    with pytest.raises(InputError, match=r"contract: train must hold at least two classes of 'odd', got \[0\]$"):
        Ingest.test_call(examples=examples, spec=spec.to_json(), beam_pipeline=beam.Pipeline("FnApiRunner"))
    classes = read_facts(examples.uri).classes
    assert set(classes) == {"label", "odd"}
    assert sum(sum(counts.values()) for counts in classes["label"].values()) == 60


@pytest.fixture
def transformed(tmp_path):
    """Some transformed examples: a folder's pattern and what tells their types."""
    with tf.io.TFRecordWriter(str(tmp_path / "part.gz"), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for number in range(5):
            writer.write(record(label=number, odd=number % 2, sum=number / 2, x=number).SerializeToString())
    types = {"label": tf.int64, "odd": tf.int64, "sum": tf.float32, "x": tf.int64}
    spec = {name: tf.io.FixedLenFeature([], dtype) for name, dtype in types.items()}
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    metadata_io.write_metadata(metadata, str(tmp_path / "graph" / "transformed_metadata"))
    return [str(tmp_path / "*.gz")], tft.TFTransformOutput(str(tmp_path / "graph"))


def test_labels_are_read_by_output(transformed):
    features, labels = transformed_split(*transformed, label=LABEL, features=["x"], task=TASK).take_arrays(5)
    assert set(features) == {"x"}
    assert {name: (values.shape, values.dtype.name) for name, values in labels.items()} == {
        "digit": ((5,), "int64"),
        "parity": ((5, 1), "float32"),
        "size": ((5, 1), "float32"),
    }
    np.testing.assert_array_equal(labels["size"][:, 0], np.arange(5) / 2)


def test_two_outputs_may_learn_one_label_which_the_model_may_read_too(transformed):
    label, task = to_text({"a": "odd", "b": "odd"}), to_text({"a": "multiclass", "b": "binary"})
    features, labels = transformed_split(*transformed, label=label, features=["x", "odd"], task=task).take_arrays(5)
    assert set(features) == {"x", "odd"}
    np.testing.assert_array_equal(labels["a"], labels["b"][:, 0])


def test_the_only_label_is_read_as_it_is(transformed):
    _, label = transformed_split(*transformed, label="label", features=["x"], task="multiclass").take_arrays(3)
    np.testing.assert_array_equal(label, [0, 1, 2])


def test_a_label_that_the_transform_lost_is_named(transformed):
    with pytest.raises(InputError, match=r"must return the label 'gone' as one of its outputs"):
        transformed_split(*transformed, label=to_text({"a": "odd", "b": "gone"}), features=["x"], task=TASK)

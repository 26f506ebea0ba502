"""Gates on small data: models that repeat a column, so that a test writes down what each model answers."""

import tempfile

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils
from tfx.types.standard_artifacts import (
    Examples,
    InferenceResult,
    Model,
    ModelBlessing,
    ModelEvaluation,
    TransformGraph,
)

from components.evaluate.answers import BaselineAnswers
from components.evaluate.gate import Gate
from components.evaluate.verdict import read_verdict


def feature(value):
    values = np.ravel(value)
    if values.dtype.kind in "biu":
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values.tolist()))
    if values.dtype.kind == "f":
        return tf.train.Feature(float_list=tf.train.FloatList(value=values.tolist()))
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[str(item).encode() for item in values]))


def spec_of(array):
    dtype = {"i": tf.int64, "f": tf.float32, "U": tf.string}[array.dtype.kind]
    return tf.io.FixedLenFeature(array.shape[1:], dtype)


@pytest.fixture(scope="session")
def repeating_model(tmp_path_factory):
    """`repeating_model(columns, widths)`: a TFLite model that answers, for each output, what stands in a column."""
    made = {}

    def make(columns, widths):
        key = (*columns.items(), *widths)
        if key not in made:
            module = tf.Module()
            module.serve = tf.function(
                lambda **inputs: {name: inputs[column] * 1.0 for name, column in columns.items()}
            )
            specs = {
                column: tf.TensorSpec([None, width], tf.float32, column)
                for column, width in zip(columns.values(), widths, strict=True)
            }
            concrete = module.serve.get_concrete_function(**specs)
            folder = tmp_path_factory.mktemp("saved")
            tf.saved_model.save(module, str(folder), signatures={"serving_default": concrete})
            content = tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()
            model = Model()
            model.uri = str(tmp_path_factory.mktemp("model"))
            model.id = len(made) + 1
            serving = tmp_path_factory.getbasetemp() / model.uri / "Format-Serving"
            serving.mkdir(parents=True)
            (serving / "tflite").write_bytes(content)
            made[key] = model
        return made[key]

    return make


class Bench:
    """One data set under one gate."""

    def __init__(self, folder, columns, make_model, shards=1):
        self.folder = folder
        self.columns = {name: np.asarray(values) for name, values in columns.items()}
        self._make_model = make_model
        self.examples = Examples()
        self.examples.uri = str(folder / "examples")
        self.examples.split_names = '["eval"]'
        self.graph = TransformGraph()
        self.graph.uri = str(folder / "graph")
        self._write(shards)

    def _write(self, shards):
        split = self.folder / "examples" / "Split-eval"
        split.mkdir(parents=True)
        size = len(next(iter(self.columns.values())))
        for shard, rows in enumerate(np.array_split(np.arange(size), shards) if shards else []):
            path = split / f"transformed_examples-{shard:05d}-of-{shards:05d}.gz"
            with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
                for row in rows:
                    fields = {name: feature(values[row]) for name, values in self.columns.items()}
                    writer.write(tf.train.Example(features=tf.train.Features(feature=fields)).SerializeToString())
        spec = {name: spec_of(values) for name, values in self.columns.items()}
        metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
        metadata_io.write_metadata(metadata, str(self.folder / "graph" / "transformed_metadata"))

    def model(self, column):
        """A model that answers a column, or several by output."""
        columns = column if isinstance(column, dict) else {"answer": column}
        return self._make_model(columns, [self.columns[name].shape[1] for name in columns.values()])

    def answers(self, column="baseline"):
        answers = InferenceResult()
        answers.uri = tempfile.mkdtemp(dir=self.folder, prefix="answers_")
        BaselineAnswers.test_call(
            examples=self.examples,
            transform_graph=self.graph,
            model=self.model(column),
            answers=answers,
            split="eval",
            code_sha256="",
            beam_pipeline=beam.Pipeline("FnApiRunner"),
        )
        return answers

    def gate(self, spec, answers=None, column="candidate", **champion):
        evaluation, blessing = ModelEvaluation(), ModelBlessing()
        evaluation.uri, blessing.uri = str(self.folder / "evaluation"), str(self.folder / "blessing")
        Gate.test_call(
            examples=self.examples,
            transform_graph=self.graph,
            model=self.model(column),
            baseline=answers or self.answers(),
            evaluation=evaluation,
            blessing=blessing,
            spec=spec.model_dump_json(),
            code_sha256="",
            beam_pipeline=beam.Pipeline("FnApiRunner"),
            **champion,
        )
        self.evaluation, self.blessing = evaluation, blessing
        return read_verdict(evaluation.uri)

    @property
    def blessed(self):
        return self.blessing.get_int_custom_property("blessed")


@pytest.fixture
def bench(tmp_path, repeating_model):
    """`bench(columns, shards=1, name="")` writes examples; gates look at `label`, `baseline` and `candidate`."""

    def make(columns, shards=1, name="data"):
        return Bench(tmp_path / name, columns, repeating_model, shards)

    return make


@pytest.fixture
def one_hot():
    """`one_hot(classes, C)`: predictions that are sure of some classes."""

    def make(answers, classes):
        table = np.full((len(answers), classes), 0.1 / classes, np.float32)
        table[np.arange(len(answers)), answers] += 0.9
        return table

    return make

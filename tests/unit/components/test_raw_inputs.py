"""The components of `export: {inputs: raw}` on a real transform graph and real digits."""

import json
import tempfile

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
import tf_keras as keras
from sklearn.datasets import load_digits
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils
from tfx.types.standard_artifacts import Examples, InfraBlessing, Model, TransformGraph

from components import edge_check, model_artifact
from components.errors import InputError
from components.export_raw import ExportRaw
from components.raw_transform import RawTransform
from components.transform_function import TransformFunction
from compression.audit import audit
from compression.data import Split
from compression.edge.golden import Golden
from compression.edge.profile import load_profile
from compression.errors import CompressionError
from compression.predict import TFLitePredictor
from compression.quantize import convert
from compression.settings import QuantizeSettings

COUNT = 300
SPEC = {
    "pixels": tf.io.FixedLenFeature([64], tf.int64),
    "ink": tf.io.FixedLenFeature([1], tf.float32),
    "writer": tf.io.FixedLenFeature([1], tf.string),
    "strokes": tf.io.VarLenFeature(tf.int64),
    "label": tf.io.FixedLenFeature([1], tf.int64),
}


def preprocess(inputs):
    return {
        "image": tf.reshape(tf.cast(inputs["pixels"], tf.float32) / 16.0, [-1, 8, 8, 1]),
        # With a matrix that is mostly zeros, as transforms of sounds have one.
        "amount": tft.scale_to_z_score(tf.matmul(inputs["ink"], [[1.0, 0.0, 0.0, 0.0]])[:, :1]),
        "contrast": inputs["ink"] * tf.cast(inputs["pixels"][:, :1], tf.float32),
        "bucket": tft.apply_buckets(inputs["ink"], [[100.0, 300.0]]),
        "hand": tf.strings.to_hash_bucket_fast(inputs["writer"], 10),
        "stroke_count": tf.reduce_sum(tf.sparse.to_dense(inputs["strokes"]), axis=1, keepdims=True),
        "label": inputs["label"],
    }


@pytest.fixture(scope="module")
def digits():
    pixels, labels = load_digits(return_X_y=True)
    return pixels[:COUNT].astype(np.int64), labels[:COUNT].astype(np.int64)


@pytest.fixture(scope="module")
def root(tmp_path_factory, digits):
    """Raw examples in the splits `validation` (100), `train` (100) and `eval` (100), and their transform graph."""
    folder = tmp_path_factory.mktemp("raw")
    rows = [
        {
            "pixels": pixels,
            "ink": np.float32([pixels.sum()]),
            "writer": [b"a"],
            "strokes": [1, 2],
            "label": [label],
        }
        for pixels, label in zip(*digits, strict=True)
    ]
    schema = schema_utils.schema_from_feature_spec(SPEC)
    (pixels,) = [feature for feature in schema.feature if feature.name == "pixels"]
    pixels.int_domain.CopyFrom(schema_pb2.IntDomain(min=0, max=16))
    metadata = dataset_metadata.DatasetMetadata(schema)
    context = tft_beam.Context(temp_dir=tempfile.mkdtemp(dir=folder))
    with beam.Pipeline(runner="FnApiRunner") as pipeline, context:
        transform = (pipeline | beam.Create(rows[:20]), metadata) | tft_beam.AnalyzeDataset(preprocess)
        transform | tft_beam.WriteTransformFn(str(folder / "graph"))
        metadata | tft_beam.WriteMetadata(str(folder / "graph" / "metadata"), pipeline=pipeline)
    for position, split in enumerate(("validation", "train", "eval")):
        path = folder / "examples" / f"Split-{split}"
        path.mkdir(parents=True)
        with tf.io.TFRecordWriter(str(path / "data-0.gz"), "GZIP") as writer:
            for row in rows[100 * position : 100 * (position + 1)]:
                writer.write(example(row).SerializeToString())
    return folder


def example(row):
    made = tf.train.Example()
    for name, values in row.items():
        kind = {"ink": "float_list", "writer": "bytes_list"}.get(name, "int64_list")
        getattr(made.features.feature[name], kind).value.extend(values)
    return made


def artifact(kind, uri):
    made = kind()
    made.uri = str(uri)
    return made


@pytest.fixture
def artifacts(root, tmp_path):
    examples = artifact(Examples, root / "examples")
    examples.split_names = json.dumps(["validation", "train", "eval"])
    return {"examples": examples, "transform_graph": artifact(TransformGraph, root / "graph")}


@pytest.fixture(scope="module")
def function(root):
    output = tft.TFTransformOutput(str(root / "graph"))
    return lambda *features: TransformFunction(output, features)


def test_only_what_a_feature_needs_is_an_input_sorted_by_name(function):
    assert function("image").raw == {"pixels": tf.TensorSpec([None, 64], tf.uint8)}
    assert function("amount").raw == {"ink": tf.TensorSpec([None, 1], tf.float32)}
    assert list(function("contrast", "amount").raw) == ["ink", "pixels"]
    assert function("label").raw == {"label": tf.TensorSpec([None, 1], tf.int64)}


def test_the_function_is_the_transform(function, digits):
    ink = digits[0].sum(axis=1, keepdims=True).astype(np.float32)
    got = function("image", "amount").arrays({"pixels": digits[0], "ink": ink})
    np.testing.assert_array_equal(got["image"].reshape(COUNT, 64), digits[0].astype(np.float32) / 16)
    # Mean and deviation of the 20 examples that were analyzed.
    np.testing.assert_allclose(got["amount"], (ink - ink[:20].mean()) / ink[:20].std(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        ("hand", "writer is text: look it up outside of the model and store its number"),
        ("stroke_count", "strokes varies in length or is missing in some examples: give it a shape in data.schema"),
        ("picture", "picture is not among its outputs amount, bucket, contrast, hand, image, label, stroke_count"),
    ],
)
def test_raw_features_that_no_input_can_hold_are_refused_by_name(feature, said, function):
    with pytest.raises(InputError, match=said):
        function("image", feature)


MODULE = """
from tensorflow import keras


def preprocessing_fn(inputs):
    return inputs


def build_model(hparams):
    parts = [keras.Input((1,), name=name) for name in hparams["numbers"]]
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Flatten(name="flat")(image)
    x = keras.layers.Concatenate(name="all")([x, *parts]) if parts else x
    return keras.Model([image, *parts], keras.layers.Dense(10, activation="softmax", name="digit")(x))
"""


@pytest.fixture
def raw_transform(artifacts, tmp_path, monkeypatch):
    (tmp_path / "raw_digits.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(*numbers):
        front = artifact(Model, tmp_path / "front")
        hparams = json.dumps({"numbers": numbers})
        RawTransform.test_call(
            **artifacts, front=front, module="raw_digits", hparams=hparams, task="multiclass", code_sha256="0"
        )
        return front

    return run


def test_buckets_are_refused_before_any_training(raw_transform):
    with pytest.raises(CompressionError, match=r"got UpperBound \(.*apply_buckets.*\); tft.bucketize and"):
        raw_transform("bucket")


@pytest.mark.parametrize("mode", ["float32", "int8_io"])
def test_raw_examples_are_answered_as_transformed_ones(mode, raw_transform, artifacts, digits, function, tmp_path):
    front = raw_transform("amount")
    (report,) = model_artifact.step_reports(front)
    assert (report["raw"], report["examples"]) == (["ink", "pixels"], 200)  # validation and train: eval is the gate's
    raw = {"pixels": digits[0], "ink": digits[0].sum(axis=1, keepdims=True).astype(np.float32)}
    features = function("image", "amount").arrays(raw)
    model = keras_model()
    content = convert(
        model, QuantizeSettings(mode=mode, calibration_examples=50), Split.from_arrays(features, digits[1])
    )
    inner, exported = artifact(Model, tmp_path / "model"), artifact(Model, tmp_path / "exported")
    model_artifact.save_tflite(content, inner, [{"step": "quantize", "validation": 0.5, "inputs": "replaced"}])
    inner.set_string_custom_property("variant", "v")
    ExportRaw.test_call(**artifacts, model=inner, front=front, exported=exported, code_sha256="0")
    predictor = TFLitePredictor(model_artifact.tflite_path(exported))
    assert [(tensor.name, tensor.dtype) for tensor in predictor.inputs] == [("ink", "float32"), ("pixels", "uint8")]
    got, expected = predictor.predict(raw), TFLitePredictor(content).predict(features)
    # One step of the output: a quantizer may round a value between two of its steps the other way.
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=0 if mode == "float32" else 1 / 256)
    conversion = model_artifact.conversion(model_artifact.step_reports(exported))
    assert conversion["validation"] == 0.5
    assert [tensor["name"] for tensor in conversion["inputs"]] == ["ink", "pixels"]
    assert conversion["audit"]["size_bytes"] == model_artifact.tflite_path(exported).stat().st_size
    own, whole = audit(content), audit(model_artifact.tflite_path(exported).read_bytes())
    assert whole.sparsity > own.sparsity
    assert conversion["audit"]["sparsity"] == own.sparsity
    assert conversion["audit"]["distinct_weights"] == own.distinct_weights
    assert conversion["raw_inputs"]["examples"] == 200
    assert exported.get_string_custom_property("variant") == "v"


def keras_model():
    keras.utils.set_random_seed(1)
    image, amount = keras.Input((8, 8, 1), name="image"), keras.Input((1,), name="amount")
    x = keras.layers.Concatenate(name="all")([keras.layers.Flatten(name="flat")(image), amount])
    return keras.Model([image, amount], keras.layers.Dense(10, activation="softmax", name="digit")(x))


def test_the_edge_check_asks_with_raw_examples(raw_transform, artifacts, digits, tmp_path):
    """A transform alone is a model too; its golden pairs hold the features as the data do."""
    model, blessing = raw_transform(), artifact(InfraBlessing, tmp_path / "blessing")
    edge_check.EdgeCheck.test_call(
        **artifacts,
        model=model,
        blessing=blessing,
        settings="{}",
        profile=load_profile("cpu").model_dump_json(),
        host_key="here",
        code_sha256="0",
        inputs="raw",
    )
    assert edge_check.read_report(blessing).reasons == ()
    pairs = Golden.load(edge_check.golden_path(blessing))
    np.testing.assert_array_equal(pairs.inputs["pixels"], digits[0][200:210])
    np.testing.assert_array_equal(pairs.outputs["image"].reshape(10, 64), digits[0][200:210] / np.float32(16))

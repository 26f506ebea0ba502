"""Raw files read through a transform hold what TFX's Transform would have written of them."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from sklearn.datasets import load_digits
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from components.errors import InputError
from components.evaluate.raw_files import Plain, Retransformed

COUNT = 300
SPEC = {
    "pixels": tf.io.FixedLenFeature([64], tf.int64),
    "writer": tf.io.FixedLenFeature([], tf.string),
    "strokes": tf.io.VarLenFeature(tf.int64),
    "label": tf.io.FixedLenFeature([1], tf.int64),
}


def preprocess(inputs):
    """A table, a learned scale, a sparse column and a column as it came."""
    return {
        "image": tf.reshape(tf.cast(inputs["pixels"], tf.float32) / 16.0, [-1, 8, 8, 1]),
        "ink": tft.scale_to_z_score(tf.cast(tf.reduce_sum(inputs["pixels"], axis=1, keepdims=True), tf.float32)),
        "hand": tft.compute_and_apply_vocabulary(inputs["writer"]),
        "strokes": inputs["strokes"],
        "writer": inputs["writer"],
        "label": inputs["label"],
    }


@pytest.fixture(scope="module")
def rows():
    pixels, labels = load_digits(return_X_y=True)
    return [
        {
            "pixels": pixels[i].astype(np.int64),
            "writer": f"w{i % 7}".encode(),
            "strokes": np.arange(i % 3, dtype=np.int64),
            "label": labels[i : i + 1].astype(np.int64),
        }
        for i in range(COUNT)
    ]


@pytest.fixture(scope="module")
def graph(rows, tmp_path_factory):
    """The transform graph, and what Transform itself makes of the rows."""
    folder = tmp_path_factory.mktemp("graph")
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(SPEC))
    with tft_beam.Context(temp_dir=str(tmp_path_factory.mktemp("beam"))):
        (made, _), function = (rows, metadata) | tft_beam.AnalyzeAndTransformDataset(preprocess)
        function | tft_beam.WriteTransformFn(str(folder / "graph"))
    metadata_io.write_metadata(metadata, str(folder / "graph" / "metadata"))
    return str(folder / "graph"), made


def write(path, rows):
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for row in rows:
            features = {
                name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                if isinstance(value, bytes)
                else tf.train.Feature(int64_list=tf.train.Int64List(value=value))
                for name, value in row.items()
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    return str(path)


def test_columns_are_those_that_transform_writes(graph, rows, tmp_path):
    uri, made = graph
    names = ["image", "ink", "hand", "writer", "label", "strokes"]
    path = write(tmp_path / "data.gz", rows)
    batches = list(Retransformed(uri).reader(names, batch_size=128).batches(path, first=40, count=200))
    assert [len(batch) for batch in batches] == [128, 72]
    assert [batch.first for batch in batches] == [40, 168]
    for name in ("image", "ink", "hand", "writer", "label"):
        ours = np.concatenate([batch.columns[name] for batch in batches])
        theirs = np.stack([np.asarray(row[name]) for row in made[40:240]])
        assert ours.dtype.kind == theirs.dtype.kind or name == "writer"
        np.testing.assert_array_equal(ours.reshape(theirs.shape), theirs)
    # Row 41 has two strokes, 0 and 1; row 42 none.
    np.testing.assert_array_equal(batches[0].columns["strokes"][1:3], [[0, 1], [np.nan, np.nan]])


def test_features_that_the_columns_do_not_need_may_be_gone(graph, rows, tmp_path):
    path = write(tmp_path / "data.gz", [{"pixels": row["pixels"]} for row in rows[:5]])
    (batch,) = Retransformed(graph[0]).reader(["image"], batch_size=8).batches(path)
    np.testing.assert_array_equal(batch.columns["image"][3].ravel() * 16, rows[3]["pixels"])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"label.*required"):
        list(Retransformed(graph[0]).reader(["image", "label"], batch_size=8).batches(path))


def test_a_column_that_the_transform_does_not_make_is_refused(graph):
    with pytest.raises(InputError, match="must hold colour, got"):
        Retransformed(graph[0]).reader(["colour"], batch_size=8)


def test_plain_features_are_read_as_the_model_takes_them(rows, tmp_path):
    path = write(tmp_path / "data.gz", rows[:5])
    source = Plain({"pixels": ((64,), "uint8")})
    (batch,) = source.reader(["pixels"], batch_size=8).batches(path)
    np.testing.assert_array_equal(batch.columns["pixels"][4], rows[4]["pixels"])
    with pytest.raises(InputError, match="must take numbers"):
        Plain({"writer": ((1,), "object")}).reader(["writer"], batch_size=8)

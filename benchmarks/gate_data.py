"""Models and examples that the gate's benchmark measures on: Fashion-MNIST, as Transform would write it."""

import os
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from compression.data import Split, TrainingData
from compression.quantize import convert
from compression.settings import QuantizeSettings, TrainSettings
from compression.training import train
from models.fashion_mnist import build_model

SHARDS = 4
FEATURES = {
    "image": tf.io.FixedLenFeature([28, 28, 1], tf.float32),
    "label": tf.io.FixedLenFeature([], tf.int64),
}


def fashion() -> tuple[np.ndarray, np.ndarray]:
    """All images scaled to [0, 1], and their labels; `EDGE_DATA` names the folder or the file."""
    place = Path(os.environ.get("EDGE_DATA", "data"))
    found = [place] if place.is_file() else sorted(place.rglob("fashion_mnist.npz"))
    if not found:
        raise SystemExit(f"fashion_mnist.npz must lie under {place}; put it there or set EDGE_DATA to its folder")
    with np.load(found[0]) as arrays:
        images = np.concatenate([arrays["x_train"], arrays["x_test"]])
        labels = np.concatenate([arrays["y_train"], arrays["y_test"]])
    return (images / np.float32(255)).astype(np.float32)[..., None], labels.astype(np.int64)


def make_models(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """A small network, trained a little, as float and as int8 TFLite."""
    train_split = Split.from_arrays({"image": images[:8000]}, labels[:8000])
    validation = Split.from_arrays({"image": images[8000:9000]}, labels[8000:9000])
    model = build_model({})
    data = TrainingData(train_split, validation, task="multiclass", seed=1)
    train(model, data, TrainSettings(epochs=1, batch_size=64))
    for name, mode in (("baseline", "float32"), ("candidate", "int8")):
        serving = folder / name / "Format-Serving"
        serving.mkdir(parents=True)
        (serving / "tflite").write_bytes(convert(model, QuantizeSettings(mode=mode), train_split))


def make_examples(folder: Path, size: int, images: np.ndarray, labels: np.ndarray) -> None:
    """Gzipped shards of transformed examples; images repeat where there are too few."""
    split = folder / f"examples-{size}" / "Split-eval"
    split.mkdir(parents=True)
    for shard, rows in enumerate(np.array_split(np.arange(size) % len(labels), SHARDS)):
        path = split / f"transformed_examples-{shard:05d}-of-{SHARDS:05d}.gz"
        with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
            for row in rows:
                image = tf.train.Feature(float_list=tf.train.FloatList(value=images[row].ravel()))
                label = tf.train.Feature(int64_list=tf.train.Int64List(value=[labels[row]]))
                features = tf.train.Features(feature={"image": image, "label": label})
                writer.write(tf.train.Example(features=features).SerializeToString())
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(FEATURES))
    metadata_io.write_metadata(metadata, str(folder / "graph" / "transformed_metadata"))

"""Transformed examples, as TFX's Transform wrote them, as the splits that methods read."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow import keras
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, TransformGraph

from components.errors import InputError
from compression.data import Split, Task, TrainingData


def transformed_split(
    patterns: Sequence[str], transform: tft.TFTransformOutput, *, label: str, features: Sequence[str], task: Task
) -> Split:
    """A split in gzipped TFRecord files of transformed examples.

    Args:
        patterns: File patterns; matches are read in sorted order.
        transform: Gives the types and shapes of the transformed features.
        label: Name of the label; shaped `[batch]` for multiclass tasks and `[batch, 1]` for the others.
        features: Names of the features that the model reads; the others are left out.
        task: The model's task.
    """
    files = sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))
    all_features = transform.transformed_feature_spec()
    if label not in all_features:
        raise InputError(
            f"preprocessing_fn must return the label {label!r} as one of its outputs, got {sorted(all_features)}; "
            "pass it through unchanged"
        )
    wanted = {name: all_features[name] for name in (*features, label)}
    label_shape = [-1] if task == "multiclass" else [-1, 1]

    def elements() -> tf.data.Dataset:
        return tf.data.TFRecordDataset(files, compression_type="GZIP")

    def decode(serialized: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        parsed = tf.io.parse_example(serialized, wanted)
        answer = tf.reshape(parsed.pop(label), label_shape)
        return parsed, answer if task == "multiclass" else tf.cast(answer, tf.float32)

    size = int(elements().batch(1024).reduce(0, lambda count, batch: count + tf.shape(batch)[0]).numpy())
    return Split(size=size, elements=elements, decode=decode)


def training_data(
    examples: Examples, transform_graph: TransformGraph, model: keras.Model, *, label: str, task: Task, seed: int
) -> TrainingData:
    """The train and validation splits that a step may see, with the features that `model` reads."""
    transform = tft.TFTransformOutput(transform_graph.uri)
    splits = {
        name: transformed_split(
            [f"{artifact_utils.get_split_uri([examples], name)}/*"],
            transform,
            label=label,
            features=model.input_names,
            task=task,
        )
        for name in ("train", "validation")
    }
    return TrainingData(**splits, task=task, seed=seed)

"""Transformed examples, as TFX's Transform wrote them, as the splits that methods read."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow import keras
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, TransformGraph

from components.errors import InputError
from components.targets import from_text
from compression.data import LabelTensor, Split, Task, TrainingData
from compression.outputs import packed


def transformed_split(
    patterns: Sequence[str], transform: tft.TFTransformOutput, *, label: str, features: Sequence[str], task: str
) -> Split:
    """A split in gzipped TFRecord files of transformed examples.

    Args:
        patterns: File patterns; matches are read in sorted order.
        transform: Gives the types and shapes of the transformed features.
        label: Name of the label, of several outputs as `components.targets` writes it; shaped `[batch]` for multiclass
            tasks and `[batch, 1]` for the others.
        features: Names of the features that the model reads; the others are left out.
        task: The model's task, or likewise those of several outputs.
    """
    files = sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))
    all_features = transform.transformed_feature_spec()
    labels, tasks = from_text(label), from_text(task)
    for name in labels.values():
        if name not in all_features:
            raise InputError(
                f"preprocessing_fn must return the label {name!r} as one of its outputs, got {sorted(all_features)}; "
                "pass it through unchanged"
            )
    wanted = {name: all_features[name] for name in (*features, *labels.values())}

    def elements() -> tf.data.Dataset:
        return tf.data.TFRecordDataset(files, compression_type="GZIP")

    def decode(serialized: tf.Tensor) -> tuple[dict[str, tf.Tensor], LabelTensor]:
        parsed = tf.io.parse_example(serialized, wanted)
        truth = {output: _label(parsed[name], tasks[output]) for output, name in labels.items()}
        return {name: parsed[name] for name in features}, packed(truth)

    size = int(elements().batch(1024).reduce(0, lambda count, batch: count + tf.shape(batch)[0]).numpy())
    return Split(size=size, elements=elements, decode=decode)


def _label(values: tf.Tensor, task: Task) -> tf.Tensor:
    return tf.reshape(values, [-1]) if task == "multiclass" else tf.cast(tf.reshape(values, [-1, 1]), tf.float32)


def training_data(
    examples: Examples, transform_graph: TransformGraph, model: keras.Model, *, label: str, task: str, seed: int
) -> TrainingData:
    """The train and validation splits that a step may see, with the features that `model` reads; see above."""
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
    return TrainingData(**splits, task=packed(from_text(task)), seed=seed)

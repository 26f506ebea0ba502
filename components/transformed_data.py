"""Transformed examples, as TFX's Transform wrote them, as the splits that methods read."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_transform as tft
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, TransformGraph

from components.errors import InputError
from components.targets import from_text
from compression.data import Augment, Split
from compression.outputs import packed
from compression.records import Records, TrainingRecords
from compression.settings.reading import DEFAULT_READING, ReadingSettings


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
    return transformed_records(patterns, transform, label, task).split(features)


def training_records(
    examples: Examples,
    transform_graph: TransformGraph,
    *,
    label: str,
    task: str,
    seed: int,
    reading: ReadingSettings = DEFAULT_READING,
    augment: Augment | None = None,
) -> TrainingRecords:
    """The train and validation splits that a step may see; reads no examples."""
    transform = tft.TFTransformOutput(transform_graph.uri)
    train, validation = (
        transformed_records([f"{artifact_utils.get_split_uri([examples], name)}/*"], transform, label, task)
        for name in ("train", "validation")
    )
    return TrainingRecords(train, validation, packed(from_text(task)), seed, reading, augment)


def transformed_records(patterns: Sequence[str], transform: tft.TFTransformOutput, label: str, task: str) -> Records:
    """The same, described and not read; can be sent to another process."""
    features = transform.transformed_feature_spec()
    labels = from_text(label)
    for name in labels.values():
        if name not in features:
            raise InputError(
                f"preprocessing_fn must return the label {name!r} as one of its outputs, got {sorted(features)}; "
                "pass it through unchanged"
            )
    files = sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))
    return Records(tuple(files), features, packed(labels), packed(from_text(task)))

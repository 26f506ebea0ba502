"""Transformed examples in files, described so that another process can read them too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from compression.data import Split, Task, TrainingData


@dataclass(frozen=True)
class Records:
    """A split in gzipped TFRecord files of `tf.Example`s.

    Attributes:
        files: The files, in the order in which they are read.
        features: Type and shape of every feature in them, as `tf.io.parse_example` wants it.
        label: Name of the label; read as `[batch]` for multiclass tasks and as float `[batch, 1]` for the others.
        task: What the label means.
    """

    files: tuple[str, ...]
    features: Mapping[str, Any]
    label: str
    task: Task

    def split(self, names: Sequence[str]) -> Split:
        """The examples with some of their features; counts them, which reads the files once.

        Args:
            names: Features that a model reads; the others are left out.
        """
        chosen = Records(
            self.files, {name: self.features[name] for name in (*names, self.label)}, self.label, self.task
        )
        count = chosen.elements().batch(1024).reduce(0, lambda count, batch: count + tf.shape(batch)[0])
        return Split(size=int(count.numpy()), elements=chosen.elements, decode=chosen.decode)

    def elements(self) -> tf.data.Dataset:
        """Serialized examples, one by one."""
        return tf.data.TFRecordDataset(list(self.files), compression_type="GZIP")

    def decode(self, serialized: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """A batch of serialized examples to features by name, and the label."""
        parsed = tf.io.parse_example(serialized, self.features)
        answer = tf.reshape(parsed.pop(self.label), [-1] if self.task == "multiclass" else [-1, 1])
        return parsed, answer if self.task == "multiclass" else tf.cast(answer, tf.float32)


@dataclass(frozen=True)
class TrainingRecords:
    """What a step may see, not yet read.

    Attributes:
        train: The train split.
        validation: The validation split.
        task: What the model predicts.
        seed: Seed of every random choice.
    """

    train: Records
    validation: Records
    task: Task
    seed: int

    def for_features(self, names: Sequence[str]) -> TrainingData:
        """Both splits with the features that a model reads."""
        return TrainingData(self.train.split(names), self.validation.split(names), self.task, self.seed)

"""Transformed examples in files, described so that another process can read them too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import tensorflow as tf

from compression.data import LabelTensor, Split, Task, TrainingData
from compression.outputs import by_output, packed


@dataclass(frozen=True)
class Records:
    """A split in gzipped TFRecord files of `tf.Example`s.

    Attributes:
        files: The files, in the order in which they are read.
        features: Type and shape of every feature in them, as `tf.io.parse_example` wants it.
        label: Name of the label, of several outputs by name; read as `[batch]` for multiclass tasks and as float
            `[batch, 1]` for the others.
        task: What the label means, of several outputs by name.
    """

    files: tuple[str, ...]
    features: Mapping[str, Any]
    label: str | Mapping[str, str]
    task: Task | Mapping[str, Task]

    def split(self, names: Sequence[str]) -> Split:
        """The examples with some of their features; counts them, which reads the files once.

        Args:
            names: Features that a model reads; the others are left out.
        """
        count = self.elements().batch(1024).reduce(0, lambda count, batch: count + tf.shape(batch)[0])
        return Split(size=int(count.numpy()), elements=self.elements, decode=partial(self.decode, tuple(names)))

    def elements(self) -> tf.data.Dataset:
        """Serialized examples, one by one."""
        return tf.data.TFRecordDataset(list(self.files), compression_type="GZIP")

    def decode(self, names: Sequence[str], serialized: tf.Tensor) -> tuple[dict[str, tf.Tensor], LabelTensor]:
        """A batch of serialized examples to the features of these names, and the label."""
        labels: dict[str, str] = by_output(self.label)
        tasks: dict[str, Task] = by_output(self.task)
        wanted = {name: self.features[name] for name in (*names, *labels.values())}
        parsed = tf.io.parse_example(serialized, wanted)
        truth = {output: _shaped(parsed[name], tasks[output]) for output, name in labels.items()}
        return {name: parsed[name] for name in names}, packed(truth)


def _shaped(values: tf.Tensor, task: Task) -> tf.Tensor:
    return tf.reshape(values, [-1]) if task == "multiclass" else tf.cast(tf.reshape(values, [-1, 1]), tf.float32)


@dataclass(frozen=True)
class TrainingRecords:
    """What a step may see, not yet read.

    Attributes:
        train: The train split.
        validation: The validation split.
        task: What the model predicts, of several outputs by name.
        seed: Seed of every random choice.
    """

    train: Records
    validation: Records
    task: Task | Mapping[str, Task]
    seed: int

    def for_features(self, names: Sequence[str]) -> TrainingData:
        """Both splits with the features that a model reads."""
        return TrainingData(self.train.split(names), self.validation.split(names), self.task, self.seed)

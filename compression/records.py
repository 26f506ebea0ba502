"""Transformed examples in files, described so that another process can read them too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import tensorflow as tf

from compression.data import Augment, Facts, LabelTensor, Split, Task, TrainingData
from compression.outputs import by_output, packed
from compression.reading import look
from compression.settings.reading import DEFAULT_READING, ReadingSettings
from compression.sources import RecordFiles


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
        """The examples with some of their features; reads nothing yet.

        Args:
            names: Features that a model reads; the others are left out.
        """
        return Split(RecordFiles(self.files), partial(self.decode, tuple(names)), self.look)

    def look(self) -> Facts:
        """Reads the files once, and of the examples their labels alone."""
        decode = partial(self.decode, ())
        return look(RecordFiles(self.files), lambda batch: decode(batch)[1])

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
        reading: How train examples reach a training.
        augment: Changes the features of train batches.
    """

    train: Records
    validation: Records
    task: Task | Mapping[str, Task]
    seed: int
    reading: ReadingSettings = DEFAULT_READING
    augment: Augment | None = None

    def for_features(self, names: Sequence[str]) -> TrainingData:
        """Both splits with the features that a model reads."""
        train, validation = self.train.split(names), self.validation.split(names)
        return TrainingData(train, validation, self.task, self.seed, self.reading, self.augment)

"""What Keras is given: batches of features, labels with what a teacher answers, and weights of examples."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf
import tf_keras as keras

from compression.augmentation import augmented
from compression.class_weights import Table
from compression.data import LabelTensor, Split, TrainingData
from compression.distillation import answered, answering, keeps_answers
from compression.outputs import by_output


def train_batches(
    data: TrainingData,
    batch_size: int,
    outputs: Sequence[str],
    *,
    teacher: keras.Model | None = None,
    tables: Mapping[str, Table],
) -> tf.data.Dataset:
    """Shuffled, augmented batches `(features, labels)`, with weights of examples as a third part where there are any.

    A teacher answers what the student sees, after augmentation.

    Args:
        data: Whose train split is read.
        batch_size: Examples in a batch.
        outputs: Of the model, in its order; see `compression.outputs.keys`.
        teacher: Whose answers ride along with the labels.
        tables: Weights of classes by output.
    """
    shuffle_bytes = data.reading.shuffle_bytes
    kept = data.augment is None and teacher is not None and keeps_answers(data.train, teacher, shuffle_bytes)
    split = answered(data.train, teacher) if kept else data.train
    batches = split.batches(batch_size, shuffle_seed=data.seed, shuffle_bytes=shuffle_bytes)
    if data.augment is not None:
        batches = augmented(batches, data.augment, data.seed)
    if teacher is not None and not kept:
        batches = _mapped(batches, answering(teacher))
    return _mapped(batches, _InOrder(outputs, tables)).prefetch(tf.data.AUTOTUNE)


def validation_batches(
    split: Split, batch_size: int, outputs: Sequence[str], *, teacher: keras.Model | None = None
) -> tf.data.Dataset:
    """Batches in their order, as they are: neither augmented nor weighted."""
    kept = teacher is not None and keeps_answers(split, teacher)
    batches = (answered(split, teacher) if kept else split).batches(batch_size)
    if teacher is not None and not kept:
        batches = _mapped(batches, answering(teacher))
    return _mapped(batches, _InOrder(outputs, {}))


def _mapped(batches: tf.data.Dataset, function: Callable[..., object]) -> tf.data.Dataset:
    return batches.map(function, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


class _InOrder:
    """Labels and weights by position: Keras would look labels up by the names of tfmot's wrappers."""

    def __init__(self, outputs: Sequence[str], tables: Mapping[str, Table]) -> None:
        self._outputs = outputs
        self._tables = tables

    def __call__(self, features: dict[str, tf.Tensor], label: LabelTensor) -> tuple[Any, ...]:
        labels = by_output(label)
        ordered = tuple(labels[output] for output in self._outputs)
        if not self._tables:
            return features, ordered
        return features, ordered, tuple(self._weights(output, labels[output]) for output in self._outputs)

    def _weights(self, output: str, label: tf.Tensor) -> tf.Tensor:
        # Beside a teacher's answers the label is the first column.
        own = label if label.shape.rank == 1 else label[:, 0]
        if output not in self._tables:
            return tf.ones_like(own, tf.float32)
        return tf.gather(tf.constant(self._tables[output]), tf.cast(own, tf.int64))

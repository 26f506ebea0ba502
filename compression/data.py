"""How methods receive data: finite splits that can be read again and again, in the same order for the same seed."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, TypeAlias

import numpy as np
import tensorflow as tf

from compression.outputs import by_output
from compression.settings.reading import DEFAULT_READING, SHUFFLE_BYTES, ReadingSettings
from compression.sources import Positions, Source

Task = Literal["multiclass", "binary", "regression"]
Features = dict[str, np.ndarray]
Label = np.ndarray | dict[str, np.ndarray]
"""Of the only output, or of several outputs by name, as Keras takes it; `outputs.by_output` serves both."""
LabelTensor: TypeAlias = "tf.Tensor | dict[str, tf.Tensor]"
Augment = Callable[[dict[str, tf.Tensor], tf.Tensor], Mapping[str, tf.Tensor]]


ELEMENT_BYTES = 256
"""What an element in a buffer costs beside its content: the tensor around it, and what is lost between two."""

MOST_CLASSES = 100_000
"""Different labels that are counted; more than that are numbers, not classes."""


@dataclass(frozen=True)
class Facts:
    """What one pass over a split tells.

    Attributes:
        size: Number of examples.
        parts: How many of them each file holds, in order.
        content_bytes: What all undecoded examples hold.
        labels: By output, how often each value occurs as label; no more than `MOST_CLASSES` different ones.
    """

    size: int
    parts: tuple[int, ...]
    content_bytes: int
    labels: Mapping[str, Mapping[float, int]]

    def shuffled_at_once(self, shuffle_bytes: int) -> int:
        """Examples that so many bytes hold, at least 1 and at most all."""
        each = ELEMENT_BYTES + self.content_bytes / max(1, self.size)
        return max(1, min(self.size, int(shuffle_bytes / each)))


@dataclass(frozen=True)
class Split:
    """A finite split of examples.

    Attributes:
        source: Gives single, undecoded elements in a fixed order.
        decode: Turns a batch of elements into `(features, label)`: a dict of tensors `[batch, ...]` and a tensor, or
            a dict of tensors by output when there are several. Decoding whole batches is what makes reading fast.
        look: Finds out the facts, which reads files once; called when they are first asked for.

    A split can be sent to another process when its parts can.
    """

    source: Source
    decode: Callable[..., tuple[dict[str, tf.Tensor], LabelTensor]]
    look: Callable[[], Facts]

    @classmethod
    def from_arrays(cls, features: Mapping[str, np.ndarray], label: np.ndarray | Mapping[str, np.ndarray]) -> "Split":
        """A split held in memory: arrays whose first axis counts examples; labels of several outputs by name."""
        arrays = (dict(features), dict(label) if isinstance(label, Mapping) else label)
        size = len(next(iter(by_output(label).values())))
        return cls(Positions((size,)), Rows(arrays), partial(_facts_of_arrays, arrays, size))

    @cached_property
    def facts(self) -> Facts:
        """Size, bytes and labels."""
        return self.look()

    @property
    def size(self) -> int:
        """Number of examples."""
        return self.facts.size

    def batches(
        self, batch_size: int, *, shuffle_seed: int | None = None, shuffle_bytes: int = SHUFFLE_BYTES
    ) -> tf.data.Dataset:
        """Batches of `(features, label)`; the last one may be smaller.

        Args:
            batch_size: Examples in a batch.
            shuffle_seed: Shuffles anew in every iteration, the same way for the same seed; `None` keeps the order.
            shuffle_bytes: Undecoded examples that are shuffled at once. When that is not all of them, files come in
                an order of their own in every iteration, and several are read in turn.
        """
        elements = self.source.elements()
        if shuffle_seed is not None:
            count = self.facts.shuffled_at_once(shuffle_bytes)
            elements = elements if count >= self.size else self.source.mixed(shuffle_seed)
            elements = elements.shuffle(max(1, count), seed=shuffle_seed, reshuffle_each_iteration=True)
        batches = elements.batch(batch_size).map(self.decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return batches.prefetch(tf.data.AUTOTUNE)

    def take_arrays(self, count: int) -> tuple[Features, Label]:
        """The first `count` examples (all, when there are fewer) as arrays; reads no more than these."""
        return _arrays(next(iter(self.source.elements().take(count).batch(count).map(self.decode))))

    def iterate_arrays(self, batch_size: int) -> Iterator[tuple[Features, Label]]:
        """All examples in order, as batches of arrays."""
        for batch in self.batches(batch_size):
            yield _arrays(batch)


class Rows:
    """Rows of arrays by position.

    Args:
        arrays: Any structure of arrays or tensors whose first axes agree.
    """

    def __init__(self, arrays: object) -> None:
        self._arrays = arrays

    def __call__(self, positions: tf.Tensor) -> Any:  # noqa: ANN401 - whatever structure the arrays have
        """The rows `[batch, ...]` at these positions, in the same structure."""
        # A graph would hold a copy of an array, and none of 2 GB and more; a tensor is only referred to.
        with tf.init_scope():
            self._arrays = tf.nest.map_structure(tf.convert_to_tensor, self._arrays)
        return tf.nest.map_structure(partial(tf.gather, indices=positions), self._arrays)


def count_labels(counts: dict[float, int], values: np.ndarray) -> None:
    """Adds labels to counts, up to `MOST_CLASSES` different ones."""
    for value, count in zip(*np.unique(values, return_counts=True), strict=True):
        if len(counts) < MOST_CLASSES or value in counts:
            counts[value.item()] = counts.get(value.item(), 0) + int(count)


def _facts_of_arrays(arrays: tuple[Features, Label], size: int) -> Facts:
    content = sum(np.asarray(values).nbytes for values in tf.nest.flatten(arrays))
    labels: dict[str, dict[float, int]] = {}
    for output, values in by_output(arrays[1]).items():
        count_labels(labels.setdefault(output, {}), np.asarray(values))
    return Facts(size, (size,), content, labels)


def _arrays(batch: tuple[dict[str, tf.Tensor], LabelTensor]) -> tuple[Features, Label]:
    arrays: tuple[Features, Label] = tf.nest.map_structure(lambda tensor: tensor.numpy(), batch)
    return arrays


@dataclass(frozen=True)
class TrainingData:
    """What a training step may see: train and validation, never eval.

    Attributes:
        train: Examples to fit.
        validation: Examples that early stopping and rankings look at.
        task: What the model predicts, or what each of several outputs predicts, by name; fixes loss and output shape.
        seed: Seed of every random choice.
        reading: How train examples reach a training, and how much each class counts.
        augment: Changes the features of train batches, with a seed `[2]` of their own; see `compression.augmentation`.
    """

    train: Split
    validation: Split
    task: Task | Mapping[str, Task]
    seed: int
    reading: ReadingSettings = DEFAULT_READING
    augment: Augment | None = None

    @property
    def tasks(self) -> dict[str, Task]:
        """The task of each output; see `compression.outputs`."""
        return by_output(self.task)

    def content_sha256(self) -> str:
        """Hash of the values of both splits in their order, whatever files they stand in; reads them once."""
        digest = hashlib.sha256()
        for split in (self.train, self.validation):
            for features, label in split.batches(1024):
                _add_tensors(digest, {**features, "": label})
            digest.update(b"end of split\0")
        return digest.hexdigest()

    def for_features(self, names: Sequence[str]) -> "TrainingData":
        """The same: all features are there already (`conversion.Request` asks for those that it needs)."""
        del names
        return self


def _add_tensors(digest: "hashlib._Hash", tensors: Mapping[str, tf.Tensor]) -> None:
    # Sparse and ragged tensors are several dense ones.
    for name, tensor in sorted(tensors.items()):
        for part in tf.nest.flatten(tensor, expand_composites=True):
            values = part.numpy()
            content = repr(values.tolist()).encode() if values.dtype == object else values.tobytes()
            digest.update(f"{name}\0{values.dtype}\0{values.shape}\0{len(content)}\0".encode() + content)

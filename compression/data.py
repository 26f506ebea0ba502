"""How methods receive data: finite splits that can be read again and again, in the same order for the same seed."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
import tensorflow as tf

from compression.outputs import by_output

Task = Literal["multiclass", "binary", "regression"]
Features = dict[str, np.ndarray]
Label = np.ndarray | dict[str, np.ndarray]
"""Of the only output, or of several outputs by name, as Keras takes it; `outputs.by_output` serves both."""
LabelTensor: TypeAlias = "tf.Tensor | dict[str, tf.Tensor]"


@dataclass(frozen=True)
class Split:
    """A finite split of examples.

    Attributes:
        size: Number of examples.
        elements: Makes a data set of single, undecoded elements in a fixed order.
        decode: Turns a batch of elements into `(features, label)`: a dict of tensors `[batch, ...]` and a tensor, or
            a dict of tensors by output when there are several. Decoding whole batches is what makes reading fast.

    A split can be sent to another process when its two functions can.
    """

    size: int
    elements: Callable[[], tf.data.Dataset]
    decode: Callable[..., tuple[dict[str, tf.Tensor], LabelTensor]]

    @classmethod
    def from_arrays(cls, features: Mapping[str, np.ndarray], label: np.ndarray | Mapping[str, np.ndarray]) -> "Split":
        """A split held in memory: arrays whose first axis counts examples; labels of several outputs by name."""
        arrays = (dict(features), dict(label) if isinstance(label, Mapping) else label)
        size = len(next(iter(by_output(label).values())))
        return cls(size, partial(tf.data.Dataset.from_tensor_slices, arrays), _as_they_are)

    def batches(self, batch_size: int, *, shuffle_seed: int | None = None) -> tf.data.Dataset:
        """Batches of `(features, label)`; the last one may be smaller.

        Args:
            batch_size: Examples in a batch.
            shuffle_seed: Shuffles anew in every iteration, the same way for the same seed; `None` keeps the order.
        """
        elements = self.elements()
        if shuffle_seed is not None:
            elements = elements.shuffle(min(self.size, 100_000), seed=shuffle_seed, reshuffle_each_iteration=True)
        batches = elements.batch(batch_size).map(self.decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        return batches.prefetch(tf.data.AUTOTUNE)

    def take_arrays(self, count: int) -> tuple[Features, Label]:
        """The first `count` examples (all, when there are fewer) as arrays."""
        return _arrays(next(iter(self._head(min(count, self.size)))))

    def iterate_arrays(self, batch_size: int) -> Iterator[tuple[Features, Label]]:
        """All examples in order, as batches of arrays."""
        for batch in self.batches(batch_size):
            yield _arrays(batch)

    def _head(self, count: int) -> tf.data.Dataset:
        return self.elements().take(count).batch(count).map(self.decode)


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
    """

    train: Split
    validation: Split
    task: Task | Mapping[str, Task]
    seed: int

    @property
    def tasks(self) -> dict[str, Task]:
        """The task of each output; see `compression.outputs`."""
        return by_output(self.task)

    def content_sha256(self) -> str:
        """Hash of the values of both splits in their order, whatever files they stand in; reads them once."""
        digest = hashlib.sha256()
        for split in (self.train, self.validation):
            digest.update(f"{split.size}\0".encode())
            for features, label in split.batches(1024):
                _add_tensors(digest, {**features, "": label})
        return digest.hexdigest()

    def for_features(self, names: Sequence[str]) -> "TrainingData":
        """The same: all features are there already (`conversion.Request` asks for those that it needs)."""
        del names
        return self


def _as_they_are(features: dict[str, tf.Tensor], label: LabelTensor) -> tuple[dict[str, tf.Tensor], LabelTensor]:
    return features, label


def _add_tensors(digest: "hashlib._Hash", tensors: Mapping[str, tf.Tensor]) -> None:
    # Sparse and ragged tensors are several dense ones.
    for name, tensor in sorted(tensors.items()):
        for part in tf.nest.flatten(tensor, expand_composites=True):
            values = part.numpy()
            content = repr(values.tolist()).encode() if values.dtype == object else values.tobytes()
            digest.update(f"{name}\0{values.dtype}\0{values.shape}\0{len(content)}\0".encode() + content)

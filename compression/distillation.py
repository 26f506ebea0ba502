"""Learning from a teacher's answers beside the labels (Hinton et al. 2015, arXiv:1503.02531).

The teacher's answers ride along with the label of the same output, `[batch, 1 + C]` in all, so that every training loop
takes them: the first column is the label.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import tensorflow as tf
import tf_keras as keras

from compression.data import LabelTensor, Rows, Split, Task
from compression.model_outputs import ask, output_shapes
from compression.outputs import by_output
from compression.sources import Source

Answers = Mapping[str, tf.Tensor]
"""By output; see `compression.outputs`."""

_MOST_KEPT_BYTES = 256 * 2**20
"""Answers up to this size are asked for once and kept in memory; larger ones are asked for anew in every epoch."""

_BATCH = 512
_LEAST_PROBABILITY = 1e-7


class DistillationLoss(keras.losses.Loss):  # type: ignore[misc]
    """`alpha * T^2 * divergence(teacher, student) + (1 - alpha) * loss(label, student)`.

    The divergence is Kullback-Leibler's between distributions softened by the temperature T; T^2 keeps its gradients
    as large as the label's. For regression it is the mean squared error, and there is no temperature.

    Args:
        label_loss: The task's own loss.
        task: What the outputs are: probabilities of classes, one probability, or a number.
        temperature: T, at least 1.
        alpha: Weight of the teacher, in (0, 1].
    """

    def __init__(self, label_loss: keras.losses.Loss, task: Task, temperature: float, alpha: float) -> None:
        super().__init__(name="distillation")
        self._label_loss = label_loss
        self._divergence = _DIVERGENCES[task]
        self._temperature = temperature
        self._alpha = alpha

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """One loss per example; `y_true` is `[batch, 1 + C]`."""
        label, answer = y_true[:, :1], y_true[:, 1:]
        own = self._label_loss.call(label, y_pred)
        return self._alpha * self._divergence(answer, y_pred, self._temperature) + (1.0 - self._alpha) * own


def soften(probabilities: tf.Tensor, temperature: float) -> tf.Tensor:
    """Softmax of logits / T, from the probabilities: logits differ from their logarithms by a constant alone.

    Args:
        probabilities: `[batch, classes]`, rows summing to 1.
        temperature: T; 1 changes nothing.

    >>> soften(tf.constant([[0.2, 0.8]]), 2.0).numpy().round(4).tolist()  # square roots, normalized
    [[0.3333, 0.6667]]
    """
    return tf.nn.softmax(tf.math.log(tf.maximum(probabilities, _LEAST_PROBABILITY)) / temperature)


def keeps_answers(split: Split, teacher: keras.Model, shuffle_bytes: int | None = None) -> bool:
    """Whether answers are few enough to be asked for once, and examples come in an order in which they can be found.

    Args:
        split: Examples with the features that the teacher reads.
        teacher: Who answers.
        shuffle_bytes: Examples that are shuffled at once; `None`: they are not shuffled.
    """
    bytes_needed = 4 * split.size * sum(int(np.prod(shape)) for shape in output_shapes(teacher).values())
    whole = shuffle_bytes is None or split.facts.shuffled_at_once(shuffle_bytes) >= split.size
    return whole and bytes_needed <= _MOST_KEPT_BYTES


def on_label(function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """A metric of labels that looks at the first column alone."""

    def of_first_column(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return function(y_true[:, :1], y_pred)

    return of_first_column


def answered(split: Split, teacher: keras.Model) -> Split:
    """The split whose labels, by output, are `[label, teacher's answer...]`, float32 `[batch, 1 + C]`, asked once.

    Args:
        split: Examples with the features that the teacher reads.
        teacher: Answers in inference mode.
    """
    asking = _asking(teacher)
    batches = [asking(features) for features, _ in split.batches(_BATCH)]
    answers = {name: np.concatenate([batch[name].numpy() for batch in batches]) for name in batches[0]}

    def decode(element: object, positions: tf.Tensor) -> tuple[dict[str, tf.Tensor], LabelTensor]:
        features, label = split.decode(element)
        return features, _joined(label, rows(positions))

    rows = Rows(answers)
    return Split(_Numbered(split.source), decode, lambda: split.facts)


def answering(
    teacher: keras.Model,
) -> Callable[[dict[str, tf.Tensor], LabelTensor], tuple[dict[str, tf.Tensor], LabelTensor]]:
    """Adds the teacher's answers to the labels of a batch, as `answered` does; asks anew every time."""
    asking = _asking(teacher)

    def ask_batch(features: dict[str, tf.Tensor], label: LabelTensor) -> tuple[dict[str, tf.Tensor], LabelTensor]:
        return features, _joined(label, asking(features))

    return ask_batch


@dataclass(frozen=True)
class _Numbered:
    """Elements with their positions; they cannot be mixed, which is why `keeps_answers` asks for a whole shuffle."""

    source: Source

    def elements(self) -> tf.data.Dataset:
        numbers = tf.data.Dataset.range(np.iinfo(np.int64).max)
        return tf.data.Dataset.zip((self.source.elements(), numbers))

    def mixed(self, seed: int) -> tf.data.Dataset:
        raise AssertionError(f"answers by position need examples in their order, not mixed by seed {seed}")


def _asking(teacher: keras.Model) -> Callable[[dict[str, tf.Tensor]], Answers]:
    compiled: Callable[[dict[str, tf.Tensor]], Answers] = tf.function(partial(ask, teacher), reduce_retracing=True)
    return compiled


def _joined(label: LabelTensor, answer: Answers) -> dict[str, tf.Tensor]:
    return {
        output: tf.concat([tf.reshape(tf.cast(values, tf.float32), [-1, 1]), answer[output]], axis=1)
        for output, values in by_output(label).items()
    }


def _between_classes(answer: tf.Tensor, predicted: tf.Tensor, temperature: float) -> tf.Tensor:
    wanted, got = soften(answer, temperature), soften(predicted, temperature)
    return temperature**2 * keras.losses.kl_divergence(wanted, got)


def _between_two(answer: tf.Tensor, predicted: tf.Tensor, temperature: float) -> tf.Tensor:
    wanted, got = (tf.concat([values, 1.0 - values], axis=1) for values in (answer, predicted))
    return _between_classes(wanted, got, temperature)


def _between_numbers(answer: tf.Tensor, predicted: tf.Tensor, temperature: float) -> tf.Tensor:
    del temperature
    return keras.losses.mean_squared_error(answer, predicted)


_DIVERGENCES: dict[Task, Callable[[tf.Tensor, tf.Tensor, float], tf.Tensor]] = {
    "multiclass": _between_classes,
    "binary": _between_two,
    "regression": _between_numbers,
}

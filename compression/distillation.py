"""Learning from a teacher's answers beside the labels (Hinton et al. 2015, arXiv:1503.02531).

The teacher's answers ride along with the label of the same output, `[batch, 1 + C]` in all, so that every training loop
takes them: the first column is the label.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import tensorflow as tf
import tf_keras as keras

from compression.data import LabelTensor, Split, Task
from compression.model_outputs import ask, output_shapes
from compression.outputs import by_output

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


def taught(split: Split, teacher: keras.Model) -> Split:
    """The split whose labels, by output, are `[label, teacher's answer...]`, float32 `[batch, 1 + C]`.

    Args:
        split: Examples with the features that the teacher reads.
        teacher: Answers in inference mode.
    """
    bytes_needed = 4 * split.size * sum(int(np.prod(shape)) for shape in output_shapes(teacher).values())
    return _kept(split, teacher) if bytes_needed <= _MOST_KEPT_BYTES else _asked_anew(split, teacher)


def on_label(function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """A metric of labels that looks at the first column alone."""

    def of_first_column(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return function(y_true[:, :1], y_pred)

    return of_first_column


def _kept(split: Split, teacher: keras.Model) -> Split:
    answering = _asking(teacher)
    batches = [answering(features) for features, _ in split.batches(_BATCH)]
    answers = {name: np.concatenate([batch[name].numpy() for batch in batches]) for name in batches[0]}

    def elements() -> tf.data.Dataset:
        return tf.data.Dataset.zip((split.elements(), tf.data.Dataset.from_tensor_slices(answers)))

    def decode(element: object, answer: Answers) -> tuple[dict[str, tf.Tensor], LabelTensor]:
        features, label = split.decode(*element) if isinstance(element, tuple) else split.decode(element)
        return features, _joined(label, answer)

    return Split(split.size, elements, decode)


def _asked_anew(split: Split, teacher: keras.Model) -> Split:
    answering = _asking(teacher)

    def decode(*elements: object) -> tuple[dict[str, tf.Tensor], LabelTensor]:
        features, label = split.decode(*elements)
        return features, _joined(label, answering(features))

    return Split(split.size, split.elements, decode)


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

"""What a step before has put into the weights and later training must not undo: zeros, and values that are shared.

Gradients are rewritten before the optimizer sees them: a zero gets none, and weights that share a value share the mean
of their gradients (Han et al. 2016, arXiv:1510.00149, section 3.3). Adam then moves all of them by the same amount, so
that shared stays shared to the last bit. tfmot's own preserving schemes keep a table beside each kernel instead; they
zero 1x1 convolutions (its issue 979) and lose clusters in residual networks (issue 1056).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import tensorflow as tf
import tf_keras as keras

from compression.kernels import KERNELS

Sharing = Literal["tensor", "channel"]


@dataclass(frozen=True)
class Keep:
    """What to keep.

    Attributes:
        zeros: Weights that are zero now stay zero.
        sharing: Weights of one kernel that are equal now stay equal; `tensor` and `channel` say how `cluster` shared.
    """

    zeros: bool = False
    sharing: Sharing | None = None

    def __bool__(self) -> bool:
        return self.zeros or self.sharing is not None


def kernels(model: keras.Model) -> list[tf.Variable]:
    """The trainable kernels of all layers, without biases and normalizations, in the model's order."""
    return [variable for variable in model.trainable_variables if kernel_name(variable) in KERNELS]


def kernel_name(variable: tf.Variable) -> str:
    """The last part of a variable's name: `conv_1/kernel:0` is a `kernel`."""
    return str(variable.name).split("/")[-1].split(":")[0]


class Structure:
    """The structure of a model's kernels at one moment, as a rule for gradients.

    Args:
        model: The model that will be trained, its weights as they are to be kept.
        keep: What to keep.
    """

    def __init__(self, model: keras.Model, keep: Keep) -> None:
        self._masks: dict[object, tf.Tensor] = {}
        self._groups: dict[object, tuple[tf.Tensor, int]] = {}
        for variable in kernels(model):
            values = variable.numpy()
            if keep.zeros and not values.all():
                self._masks[variable.ref()] = tf.constant(values != 0, variable.dtype)
            if keep.sharing is not None:
                distinct, groups = np.unique(values, return_inverse=True)
                if distinct.size < values.size:
                    self._groups[variable.ref()] = (tf.constant(groups.reshape(-1), tf.int32), distinct.size)

    def __call__(
        self, gradients: Iterable[tuple[tf.Tensor | None, tf.Variable]]
    ) -> list[tuple[tf.Tensor | None, tf.Variable]]:
        """Gradients that keep the structure; `None` and variables without structure pass through."""
        return [(self._kept(gradient, variable), variable) for gradient, variable in gradients]

    def _kept(self, gradient: tf.Tensor | None, variable: tf.Variable) -> tf.Tensor | None:
        if gradient is None:
            return None
        if variable.ref() in self._groups:
            groups, count = self._groups[variable.ref()]
            means = tf.math.unsorted_segment_mean(tf.reshape(gradient, [-1]), groups, count)
            gradient = tf.reshape(tf.gather(means, groups), tf.shape(gradient))
        if variable.ref() in self._masks:
            gradient = tf.convert_to_tensor(gradient) * self._masks[variable.ref()]
        return gradient


class StructuredAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam on rewritten gradients.

    Adam divides by its own running magnitude, so whether a group shares the mean or the sum of its gradients makes no
    difference to the step.

    Args:
        learning_rate: A number or a schedule.
        structure: The rule for gradients.
    """

    def __init__(
        self, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule, structure: Structure
    ) -> None:
        super().__init__(learning_rate)
        self._structure = structure

    def apply_gradients(
        self, grads_and_vars: Iterable[tuple[tf.Tensor | None, tf.Variable]], **arguments: object
    ) -> tf.Variable:
        """Rewrites the gradients, then takes Adam's step."""
        return super().apply_gradients(self._structure(grads_and_vars), **arguments)


def is_shared(kernel: np.ndarray) -> bool:
    """Whether weights other than zero occur several times: trained weights never do by chance."""
    weights = kernel[kernel != 0]
    return bool(np.unique(weights).size < weights.size)

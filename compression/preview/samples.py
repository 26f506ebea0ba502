"""Random examples for models that have seen none: enough for sizes and operators, not for quality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tf_keras as keras

from compression.data import Split, Task, TrainingData
from compression.outputs import by_output, packed

EXAMPLES = 16


@dataclass(frozen=True)
class RandomInput:
    """What an input takes.

    Attributes:
        shape: Shape of one example.
        dtype: NumPy's name.
        below: Whole numbers are drawn from 0 to below this; numbers with a fraction from 0 to 1.
    """

    shape: tuple[int, ...]
    dtype: str
    below: int


@dataclass(frozen=True)
class RandomData:
    """Makes data for a model; can be sent to another process.

    Attributes:
        inputs: What the model's inputs take, by name.
        tasks: Fix the labels, by output as in `compression.outputs`.
    """

    inputs: dict[str, RandomInput]
    tasks: Mapping[str, Task]

    @classmethod
    def for_model(cls, model: keras.Model, task: Task | Mapping[str, Task]) -> "RandomData":
        """Data for the inputs of a model; an input of an embedding takes indices that it knows."""
        inputs = {
            name: RandomInput(tuple(tensor.shape[1:]), tensor.dtype.name, _rows(model, tensor))
            for name, tensor in zip(model.input_names, model.inputs, strict=True)
        }
        return cls(inputs, by_output(task))

    def __call__(self, names: Sequence[str]) -> TrainingData:
        """The same `EXAMPLES` examples for train and validation, the same in every process.

        Args:
            names: The inputs that are wanted.
        """
        random = np.random.default_rng(0)
        features = {name: _draw(self.inputs[name], random) for name in names}
        split = Split.from_arrays(features, packed({output: _labels(task) for output, task in self.tasks.items()}))
        return TrainingData(split, split, packed(self.tasks), seed=0)


def _labels(task: Task) -> np.ndarray:
    alternating = np.arange(EXAMPLES) % 2
    return alternating if task == "multiclass" else alternating.astype(np.float32).reshape(-1, 1)


def _draw(wanted: RandomInput, random: np.random.Generator) -> np.ndarray:
    shape = (EXAMPLES, *wanted.shape)
    if np.issubdtype(np.dtype(wanted.dtype), np.floating):
        return random.random(shape).astype(wanted.dtype)
    return random.integers(0, wanted.below, shape).astype(wanted.dtype)


def _rows(model: keras.Model, tensor: object) -> int:
    """Fewest rows of the embeddings that read an input; 2 without any."""
    embeddings = (layer for layer in model.layers if isinstance(layer, keras.layers.Embedding))
    return min((layer.input_dim for layer in embeddings if layer.input is tensor), default=2)

"""A model of an artifact as a function from features to predictions, loaded once per worker."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import tensorflow as tf
from tfx.utils import path_utils

from components import model_artifact
from compression.outputs import keys
from compression.predict import TFLitePredictor, one_after_another

_SIGNATURE = "serving_default"

_PART_ROWS = 256
"""Rows for one call of LiteRT: the activations of more of them leave the processor's cache."""


@dataclass(frozen=True)
class Predictor:
    """A loaded model.

    Attributes:
        input_names: Features that it reads.
        outputs: Its outputs; the only one is the empty text.
        answers: Features `[batch, ...]` by name to predictions `[batch, ...]` by output, float32.
    """

    input_names: tuple[str, ...]
    outputs: tuple[str, ...]
    answers: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]


def load(model_uri: str, threads: int = 0) -> Predictor:
    """The model of a `Model` artifact: a TFLite file on LiteRT with XNNPACK, or a SavedModel.

    Args:
        model_uri: The artifact's URI.
        threads: Threads of LiteRT; 0 for one per core.
    """
    folder = Path(path_utils.serving_model_dir(model_uri))
    file = folder / model_artifact.TFLITE_FILE
    if file.exists():
        predictor = TFLitePredictor(file, num_threads=threads or os.cpu_count() or 1)
        outputs = keys([info.name for info in predictor.outputs])
        return Predictor(predictor.input_names, tuple(outputs), partial(_in_parts, predictor))
    return _saved_model(folder)


def _in_parts(predictor: TFLitePredictor, features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    columns = {name: features[name] for name in predictor.input_names}
    size = len(next(iter(columns.values())))
    parts = [
        predictor.answers({name: column[start : start + _PART_ROWS] for name, column in columns.items()})
        for start in range(0, size, _PART_ROWS)
    ]
    return parts[0] if len(parts) == 1 else one_after_another(parts)


def _saved_model(folder: Path) -> Predictor:
    model = tf.saved_model.load(str(folder))
    signature = model.signatures[_SIGNATURE]
    inputs = signature.structured_input_signature[1]
    names = list(signature.structured_outputs)

    def answers(features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Answers of the serving signature `[batch, ...]`."""
        tensors = {
            name: tf.reshape(tf.constant(features[name], spec.dtype), [-1, *spec.shape[1:]])
            for name, spec in inputs.items()
        }
        # The loaded object must live as long as its signature: the variables are its own.
        assert model is not None
        made = signature(**tensors)
        return {key: made[name].numpy().astype(np.float32) for key, name in zip(keys(names), names, strict=True)}

    return Predictor(tuple(inputs), tuple(keys(names)), answers)

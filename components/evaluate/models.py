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
from compression.predict import TFLitePredictor

_SIGNATURE = "serving_default"

_PART_ROWS = 256
"""Rows for one call of LiteRT: the activations of more of them leave the processor's cache."""


@dataclass(frozen=True)
class Predictor:
    """A loaded model.

    Attributes:
        input_names: Features that it reads.
        predict: Features `[batch, ...]` by name to predictions `[batch, ...]`, float32.
    """

    input_names: tuple[str, ...]
    predict: Callable[[Mapping[str, np.ndarray]], np.ndarray]


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
        return Predictor(predictor.input_names, partial(_in_parts, predictor))
    return _saved_model(folder)


def _in_parts(predictor: TFLitePredictor, features: Mapping[str, np.ndarray]) -> np.ndarray:
    columns = {name: features[name] for name in predictor.input_names}
    size = len(next(iter(columns.values())))
    parts = [
        predictor.predict({name: column[start : start + _PART_ROWS] for name, column in columns.items()})
        for start in range(0, size, _PART_ROWS)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _saved_model(folder: Path) -> Predictor:
    model = tf.saved_model.load(str(folder))
    signature = model.signatures[_SIGNATURE]
    inputs = signature.structured_input_signature[1]

    def predict(features: Mapping[str, np.ndarray]) -> np.ndarray:
        """Answers of the serving signature `[batch, ...]`."""
        tensors = {
            name: tf.reshape(tf.constant(features[name], spec.dtype), [-1, *spec.shape[1:]])
            for name, spec in inputs.items()
        }
        # The loaded object must live as long as its signature: the variables are its own.
        assert model is not None
        (answer,) = signature(**tensors).values()
        return answer.numpy().astype(np.float32)

    return Predictor(tuple(inputs), predict)

"""The Evaluator's own way of asking a model, replaced by ours.

The stock TFLite path quantizes inputs by truncation without clipping, asks example by example and refuses a TFLite
candidate beside a Keras baseline. The Evaluator finds the two public functions here by name (`module_path`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.api import types
from tensorflow_model_analysis.extractors import (
    example_weights_extractor,
    extractor,
    features_extractor,
    labels_extractor,
    slice_key_extractor,
    unbatch_extractor,
)
from tensorflow_model_analysis.proto import config_pb2
from tfx_bsl.tfxio import tensor_adapter

from benchmarks.gate_metric import PROOF_EXTRACT
from compression.predict import TFLitePredictor

_TFLITE_FILE = "tflite"


def custom_eval_shared_model(
    eval_saved_model_path: str, model_name: str, eval_config: config_pb2.EvalConfig, **kwargs: Any
) -> types.EvalSharedModel:
    """Names the model and its kind; our extractor loads it, once per worker."""
    del eval_config, kwargs
    kind = "tf_lite" if (Path(eval_saved_model_path) / _TFLITE_FILE).exists() else "tf_generic"
    return types.EvalSharedModel(model_path=eval_saved_model_path, model_name=model_name, model_type=kind)


def custom_extractors(
    eval_shared_model: types.EvalSharedModel | list[types.EvalSharedModel],
    eval_config: config_pb2.EvalConfig,
    tensor_adapter_config: tensor_adapter.TensorAdapterConfig | None,
) -> list[extractor.Extractor]:
    """TFMA's chain with our predictor in the middle."""
    models = eval_shared_model if isinstance(eval_shared_model, list) else [eval_shared_model]
    paths = {model.model_name: model.model_path for model in models}
    representations = tensor_adapter_config.tensor_representations if tensor_adapter_config else None
    return [
        features_extractor.FeaturesExtractor(eval_config, tensor_representations=representations),
        labels_extractor.LabelsExtractor(eval_config),
        example_weights_extractor.ExampleWeightsExtractor(eval_config),
        extractor.Extractor("EdgePredict", beam.ParDo(_Predict(paths))),
        unbatch_extractor.UnbatchExtractor(),
        slice_key_extractor.SliceKeyExtractor(eval_config=eval_config),
    ]


class _Predict(beam.DoFn):
    """Adds every model's answers to a batch of extracts."""

    def __init__(self, paths: dict[str, str]) -> None:
        self._paths = paths

    def setup(self) -> None:
        """Loads the models, once per worker."""
        self._predictors = {name: _predictor(Path(path)) for name, path in self._paths.items()}

    def process(self, batch: types.Extracts) -> Iterator[types.Extracts]:
        """A batch with predictions by model name, and the proof that they are ours."""
        features = batch[constants.FEATURES_KEY]
        answers = {name: predict(features) for name, predict in self._predictors.items()}
        size = len(next(iter(answers.values())))
        # TFMA expects the bare array where only one model is evaluated.
        predictions = answers if len(answers) > 1 else next(iter(answers.values()))
        yield {**batch, constants.PREDICTIONS_KEY: predictions, PROOF_EXTRACT: np.ones(size)}


def _predictor(path: Path) -> Any:  # noqa: ANN401 - a callable, features to predictions
    tflite = path / _TFLITE_FILE
    if tflite.exists():
        return TFLitePredictor(tflite).predict
    return _SavedModel(path)


class _SavedModel:
    """Answers of a Keras SavedModel through its serving signature."""

    def __init__(self, path: Path) -> None:
        # The loaded object must live as long as its signature: the variables are its own.
        self._model = tf.saved_model.load(str(path))
        self._signature = self._model.signatures["serving_default"]
        self._inputs = self._signature.structured_input_signature[1]

    def __call__(self, features: dict[str, np.ndarray]) -> np.ndarray:
        tensors = {
            name: tf.reshape(tf.constant(features[name], spec.dtype), [-1, *spec.shape[1:]])
            for name, spec in self._inputs.items()
        }
        (answer,) = self._signature(**tensors).values()
        return answer.numpy()

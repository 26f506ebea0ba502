"""The gate's predictor beside the stock Evaluator's, on one int8 model with integer inputs and outputs.

The stock path quantizes an input by truncation and lets it wrap around; ours rounds and clips as the TFLite kernel
does. `make bench-predictor` prints what that does to the accuracy on the digits, as they are and with a contrast that
leaves the calibrated range.
"""

import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

import tempfile
from pathlib import Path

import numpy as np
import tfx  # noqa: F401 - repairs names of TFMA's package, so it comes first
from sklearn.datasets import load_digits
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.api.model_eval_lib import default_eval_shared_model
from tensorflow_model_analysis.extractors.tflite_predict_extractor import TFLitePredictionDoFn
from tensorflow_model_analysis.proto import config_pb2

from benchmarks.results import finish, goal
from compression.data import Split, TrainingData
from compression.predict import TFLitePredictor
from compression.quantize import convert
from compression.settings import QuantizeSettings, TrainSettings
from compression.training import train
from models.digits import build_model

TRAIN_EXAMPLES = 1000


def stock_predictions(model: bytes, images: np.ndarray) -> np.ndarray:
    """Answers of TFMA's own TFLite predictor, as the stock Evaluator sets it up.

    Args:
        model: A TFLite file with one input, `image`.
        images: float32 `[batch, ...]`.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tflite").write_bytes(model)
        config = config_pb2.EvalConfig(model_specs=[config_pb2.ModelSpec(model_type="tf_lite", label_key="label")])
        shared = default_eval_shared_model(folder, model_name="", eval_config=config)
        predict = TFLitePredictionDoFn(eval_config=config, eval_shared_models={"": shared})
        predict.setup()
        (batch,) = predict.process({constants.FEATURES_KEY: {"image": images}})
    return batch[constants.PREDICTIONS_KEY]


def digits() -> tuple[np.ndarray, np.ndarray]:
    """All digits, scaled to [0, 1], shuffled once: the file is sorted by writer."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images = (data.images[order] / 16).astype(np.float32)[..., None]
    return images, data.target[order].astype(np.int64)


def int8_io_model(images: np.ndarray, labels: np.ndarray, epochs: int) -> tuple[bytes, object]:
    """A digits model trained and quantized; the Keras model beside it."""
    cut = TRAIN_EXAMPLES * 4 // 5
    parts = [
        Split.from_arrays({"image": images[part]}, labels[part]) for part in (slice(cut), slice(cut, TRAIN_EXAMPLES))
    ]
    model = build_model({"filters": 16})
    train(model, TrainingData(*parts, task="multiclass", seed=1), TrainSettings(epochs=epochs, batch_size=32))
    return convert(model, QuantizeSettings(mode="int8_io"), parts[0]), model


def main() -> None:
    """Prints accuracies side by side."""
    images, labels = digits()
    model, keras_model = int8_io_model(images[:TRAIN_EXAMPLES], labels[:TRAIN_EXAMPLES], epochs=30)
    ours = TFLitePredictor(model)
    rows = []
    for name, factor in (("as they are", 1.0), ("brighter by a fifth", 1.2)):
        x, y = images[TRAIN_EXAMPLES:] * np.float32(factor), labels[TRAIN_EXAMPLES:]
        answers = {
            "float Keras": keras_model(x, training=False).numpy(),
            "ours": ours.predict({"image": x}),
            "stock": stock_predictions(model, x),
        }
        right = {path: answer.argmax(axis=1) == y for path, answer in answers.items()}
        rows += [
            {
                "digits": name,
                "predictor": path,
                "accuracy": float(right[path].mean()),
                "answers unlike float": int((answers[path].argmax(1) != answers["float Keras"].argmax(1)).sum()),
            }
            for path in answers
        ]
    lost = rows[0]["accuracy"] - rows[1]["accuracy"]
    finish("predictor", rows, [goal("accuracy that our int8 answers lose against float", lost, 0.01, at_least=False)])


if __name__ == "__main__":
    main()

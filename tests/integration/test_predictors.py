"""Our predictor beside the stock Evaluator's on a real int8 model: the reason why the gate has its own."""

import numpy as np
import pytest
from tensorflow_model_analysis.extractors.tflite_predict_extractor import TFLitePredictionDoFn

from benchmarks.predictor import digits, int8_io_model, stock_predictions
from compression.predict import TFLitePredictor, quantize_array

pytestmark = pytest.mark.integration


def test_stock_path_truncates_and_wraps_where_the_kernel_rounds_and_clips():
    values = np.array([0.6, -0.6, 20.0, -20.0], np.float32)
    scale, zero_point = 0.1, 0
    stock = TFLitePredictionDoFn._quantize(None, values, np.array([scale]), np.array([zero_point]), np.int8)
    # 0.06 of a unit is 0.6 of a step: the nearest integer is 1, and 20.0 lies beyond the largest one.
    steps = np.array([0.06, -0.06, 20.0, -20.0], np.float32)
    assert quantize_array(steps, scale, zero_point, np.int8).tolist() == [1, -1, 127, -128]
    truncated = TFLitePredictionDoFn._quantize(None, steps, np.array([scale]), np.array([zero_point]), np.int8)
    assert truncated.tolist()[:2] == [0, 0]
    assert stock.tolist()[2] == np.array(200).astype(np.int8) == -56


def test_on_digits_ours_answers_like_float_and_stock_does_not():
    images, labels = digits()
    model, keras_model = int8_io_model(images[:1000], labels[:1000], epochs=8)
    # A contrast beyond the calibrated range: the kernel clips, the stock path wraps around.
    x, y = images[1000:] * np.float32(1.2), labels[1000:]
    right = keras_model(x, training=False).numpy().argmax(1) == y
    ours = TFLitePredictor(model).predict({"image": x}).argmax(1) == y
    stock = stock_predictions(model, x).argmax(1) == y
    # 797 images: five of them are 0.6 points, what int8 may cost; wrapping costs tens of points.
    assert abs(ours.mean() - right.mean()) <= 5 / len(y)
    assert stock.mean() < right.mean() - 0.1

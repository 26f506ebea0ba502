"""Conversion of a Keras model to one TFLite file, post-training or after quantization-aware training."""

import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras

from compression import keras_models
from compression.data import Features, Split
from compression.errors import CompressionError, OutputMismatch
from compression.predict import TFLitePredictor
from compression.qat import is_quantization_aware
from compression.settings import QuantizeSettings
from compression.settings.quantize import CALIBRATED_MODES, INT8_MODES

FLOAT_TOLERANCES: dict[str, float] = {"float32": 1e-4, "float16": 2.0**-5}
"""Largest allowed output error of the float modes, as a share of the largest output (at least 1).

float32: a few thousand summands in another order lose about three of seven digits. float16: a stored weight is off by
at most 2**-11 of its value; 64 such errors in a row may add up in a deep network.
"""

_CHECKED_EXAMPLES = 64

# Two conversions at once in one process give files that differ in two bytes of metadata.
_conversion_lock = threading.Lock()


def convert(model: keras.Model, settings: QuantizeSettings, calibration: Split) -> bytes:
    """Converts to TFLite with a `serving_default` signature whose inputs bear the model's input names.

    A quantization-aware model brings its own ranges, so it is not calibrated: calibration would quantize layers that
    were left float, with ranges that no training has seen. One exception is the converter's own: a convolution or
    dense layer that was left float between two trained ranges gets int8 weights (rounded, never trained).

    Args:
        model: Plain, or quantization-aware (modes `int8` and `int8_io` only).
        settings: Mode and number of calibration examples.
        calibration: The train split: its first examples set the activation ranges of integer modes, and check the
            outputs of float modes.

    Returns:
        The flatbuffer; the same model and data give the same bytes.

    Raises:
        OutputMismatch: A float file's outputs differ from the model's.
        CompressionError: Mode and model do not fit, or the converter refuses an operator.
    """
    aware = is_quantization_aware(model)
    if aware and settings.mode not in INT8_MODES:
        raise CompressionError(
            f"after qat the mode must be {' or '.join(sorted(INT8_MODES))}, got {settings.mode}: other modes throw the "
            "trained ranges away; change the mode or leave the qat step out"
        )
    with _conversion_lock, tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "model"
        _save_inference(model, directory)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(directory), signature_keys=[keras_models.SIGNATURE])
        _MODES[settings.mode](converter)
        if settings.mode in CALIBRATED_MODES and not aware:
            converter.representative_dataset = _representative(model, settings, calibration)
        tflite = _run(converter, settings.mode)
    if settings.mode == "int8_io":
        _check_integer_io(tflite)
    _check_outputs(model, tflite, settings.mode, calibration)
    return tflite


def max_abs_error(model: keras.Model, tflite: bytes, split: Split, count: int) -> float:
    """Largest difference between an output of the Keras model and of the TFLite file.

    Args:
        model: The model that was converted.
        tflite: The flatbuffer.
        split: Examples to compare on.
        count: How many of them, from the first.
    """
    return _compare(model, tflite, split, count)[0]


def _save_inference(model: keras.Model, directory: Path) -> None:
    module = tf.Module()
    module.model = model
    tf.saved_model.save(
        module, str(directory), signatures={keras_models.SIGNATURE: keras_models.serving_function(model)}
    )


def _float32(converter: tf.lite.TFLiteConverter) -> None:
    converter.optimizations = []


def _float16(converter: tf.lite.TFLiteConverter) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _dynamic(converter: tf.lite.TFLiteConverter) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def _int8(converter: tf.lite.TFLiteConverter) -> None:
    # An operator without an int8 kernel stays float; the audit lists it.
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def _int8_io(converter: tf.lite.TFLiteConverter) -> None:
    _int8(converter)
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8


def _int16x8(converter: tf.lite.TFLiteConverter) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]


_MODES: dict[str, Callable[[tf.lite.TFLiteConverter], None]] = {
    "float32": _float32,
    "float16": _float16,
    "dynamic": _dynamic,
    "int8": _int8,
    "int8_io": _int8_io,
    "int16x8": _int16x8,
}


def _representative(
    model: keras.Model, settings: QuantizeSettings, calibration: Split
) -> Callable[[], Iterator[Features]]:
    features, label = calibration.take_arrays(settings.calibration_examples)

    def examples() -> Iterator[Features]:
        for index in range(len(label)):
            yield {name: features[name][index : index + 1] for name in model.input_names}

    return examples


def _run(converter: tf.lite.TFLiteConverter, mode: str) -> bytes:
    try:
        with warnings.catch_warnings():
            # The converter calibrates with an interpreter of its own that it has deprecated itself.
            warnings.filterwarnings("ignore", message="(?s).*tf.lite.Interpreter is deprecated")
            return bytes(converter.convert())
    except Exception as error:  # The converter raises its own ConverterError, RuntimeError, ValueError and more.
        reason = next((line for line in str(error).splitlines() if "error" in line.lower()), str(error))
        raise CompressionError(
            f"mode {mode} needs operators that TFLite has, but the converter said: {reason[:500]}; replace the layer, "
            "or choose another mode"
        ) from error


def _check_integer_io(tflite: bytes) -> None:
    """Holds the file to its promise: the converter keeps float where the first or last layer stayed float."""
    predictor = TFLitePredictor(tflite)
    floats = [info.name for info in (*predictor.inputs, *predictor.outputs) if info.dtype != "int8"]
    if floats:
        raise CompressionError(
            f"an int8_io file must have int8 inputs and outputs, but {', '.join(floats)} stayed float, because a layer "
            "beside it was left float; quantize that layer too, or choose mode int8"
        )


def _check_outputs(model: keras.Model, tflite: bytes, mode: str, split: Split) -> None:
    if mode not in FLOAT_TOLERANCES:
        return
    error, largest = _compare(model, tflite, split, _CHECKED_EXAMPLES)
    allowed = FLOAT_TOLERANCES[mode] * max(1.0, largest)
    if not error <= allowed:  # also when it is NaN
        raise OutputMismatch(
            f"a {mode} file must compute what its Keras model computes, got a largest output difference of {error:g} "
            f"(allowed {allowed:g}); the model may hold weights that {mode} cannot hold: choose another mode",
            tflite,
        )


def _compare(model: keras.Model, tflite: bytes, split: Split, count: int) -> tuple[float, float]:
    """Largest absolute difference, and the largest absolute Keras output."""
    features, _ = split.take_arrays(count)
    inputs = [features[name] for name in model.input_names]
    expected = np.asarray(model(inputs[0] if len(inputs) == 1 else inputs, training=False), np.float32)
    got = TFLitePredictor(tflite).predict(features)
    return float(np.max(np.abs(got - expected))), float(np.max(np.abs(expected)))

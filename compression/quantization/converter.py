"""From a Keras model to TFLite by TensorFlow's converter: in one mode, or in int8 but for some layers."""

import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tensorflow.lite.python.convert import mlir_quantize

from compression import keras_models
from compression.data import Features, Split
from compression.errors import CompressionError
from compression.flatbuffer import read_graphs
from compression.predict import TFLitePredictor
from compression.qat import is_quantization_aware
from compression.quantization.layer_operators import layer_operators
from compression.recurrent import unrolled
from compression.settings import QuantizeSettings
from compression.settings.quantize import CALIBRATED_MODES

# Two conversions at once in one process give files that differ in two bytes of metadata.
_conversion_lock = threading.Lock()


def convert_whole(
    model: keras.Model,
    settings: QuantizeSettings,
    calibration: Split,
    *,
    ranges: bool = True,
    keep_sharing: bool = False,
) -> bytes:
    """Converts to TFLite with a `serving_default` signature whose inputs bear the model's input names.

    A model with recurrent layers that are not unrolled becomes a file for batches of one example; its fused LSTMs keep
    their state from call to call until it is reset. Where TFLite would need a loop, calibrated modes write all
    recurrent layers out instead.

    Args:
        model: The model; quantization-aware ones bring their own ranges.
        settings: The mode (any but `int4`) and the number of calibration examples.
        calibration: Its first examples set the activation ranges of calibrated modes.
        ranges: Whether they do; not for quantization-aware models.
        keep_sharing: As in `compression.quantize.quantize`.

    Raises:
        CompressionError: The converter refuses an operator, or cannot quantize what is inside a loop.
    """
    with _conversion_lock, tempfile.TemporaryDirectory() as folder:
        converter = _converter(model, Path(folder), settings.mode)
        if keep_sharing:
            _quantize_per_tensor(converter, model)
        if settings.mode in CALIBRATED_MODES and ranges:
            converter.representative_dataset = _representative(model, settings, calibration)
        tflite = _run(converter, settings.mode)
    if settings.mode == "int8_io":
        check_integer_io(tflite)
    return tflite


def missing_operators(model: keras.Model) -> dict[str, tuple[str, ...]]:
    """Operators that TFLite lacks and that TensorFlow, or a kernel of one's own, would have to bring to the device.

    Args:
        model: A model that the converter refuses.

    Returns:
        Layers by TensorFlow's name of an operator; empty when the converter refuses the model for another reason.
    """
    with _conversion_lock, tempfile.TemporaryDirectory() as folder:
        converter = _converter(model, Path(folder), "float32")
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
        converter.allow_custom_ops = True
        try:
            tflite = _run(converter, "float32")
        except CompressionError:
            return {}
    custom = {operator.name for graph in read_graphs(tflite) for operator in graph.operators if operator.custom}
    found: dict[str, set[str]] = {name: set() for name in sorted(custom)}
    for operator in layer_operators(tflite, [layer.name for layer in model.layers]):
        if operator.op in found:
            found[operator.op] |= {*operator.layers}
    return {name.removeprefix("Flex"): tuple(sorted(layers)) for name, layers in found.items()}


class Int8Requantizer:
    """Quantizes one calibrated model again and again, each time with other layers left in float.

    Args:
        model: A plain model.
        settings: Mode `int8` or `int8_io`, and the number of calibration examples.
        calibration: Its first examples set the activation ranges.
        keep_sharing: As in `compression.quantize.quantize`.

    Attributes:
        content: The model in float with its ranges, a file that runs.
    """

    def __init__(
        self, model: keras.Model, settings: QuantizeSettings, calibration: Split, *, keep_sharing: bool = False
    ) -> None:
        self._io = tf.int8 if settings.mode == "int8_io" else tf.float32
        with _conversion_lock, tempfile.TemporaryDirectory() as folder:
            self._converter = _converter(model, Path(folder), settings.mode)
            if keep_sharing:
                _quantize_per_tensor(self._converter, model)
            self._converter.representative_dataset = _representative(model, settings, calibration)
            self._converter._experimental_calibrate_only = True
            self.content = _run(self._converter, settings.mode)

    def __call__(self, precisions: Mapping[str, str]) -> bytes:
        """The file; its bytes depend on the precisions alone.

        Args:
            precisions: `int8` or `float32` by the name of an operator's first output; operators left out are int8.
        """
        return bytes(
            mlir_quantize(
                self.content,
                disable_per_channel=self._converter._experimental_disable_per_channel,
                input_data_type=self._io,
                output_data_type=self._io,
                denylisted_nodes=sorted(name for name, precision in precisions.items() if precision == "float32"),
                disable_per_channel_for_dense_layers=(
                    self._converter._experimental_disable_per_channel_quantization_for_dense_layers
                ),
            )
        )


def check_integer_io(tflite: bytes) -> None:
    """Holds an int8_io file to its promise: the converter keeps float where the first or last layer stayed float.

    Raises:
        CompressionError: An input or output is float; indices (of an embedding) are whole numbers and stay so.
    """
    predictor = TFLitePredictor(tflite)
    floats = [info.name for info in (*predictor.inputs, *predictor.outputs) if info.dtype.startswith("float")]
    if floats:
        raise CompressionError(
            f"an int8_io file must have int8 inputs and outputs, but {', '.join(floats)} stayed float, because a layer "
            "beside it was left float; quantize that layer too, or choose mode int8"
        )


def per_tensor_convolutions(model: keras.Model) -> bool:
    """Whether convolutions hold fewest distinct integers with one scale for the whole kernel.

    That is so when all of them share weights across channels. A batch normalization behind a convolution scales each
    channel by a factor of its own before it is quantized, so that a scale per channel gives shared weights back.
    """
    layers = [layer for layer in model.submodules if isinstance(layer, keras.layers.Layer)]
    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers):
        return False
    kernels = [weight.numpy() for layer in layers for weight in layer.weights if "kernel:" in weight.name]
    return all(np.unique(kernel).size <= min(256, kernel.size // 2) for kernel in kernels if kernel.ndim > 2)


def _converter(model: keras.Model, directory: Path, mode: str) -> tf.lite.TFLiteConverter:
    """A converter set to a mode, of a model exported into a folder."""
    loops = keras_models.looping_layers(model)
    converter = _export(model, directory / "model", 1 if loops else None)
    # Quantizing activations inside a loop crashes the converter, and the process with it; an LSTM that is fused cannot
    # take the ranges of quantization-aware training.
    looping = loops and mode in CALIBRATED_MODES
    if looping and (is_quantization_aware(model) or _is_looping(_reader(directory / "model"))):
        converter = _export(_unrolled(model, loops, mode), directory / "unrolled", None)
    _MODES[mode](converter)
    return converter


def _export(model: keras.Model, directory: Path, batch_size: int | None) -> tf.lite.TFLiteConverter:
    signatures = {keras_models.SIGNATURE: keras_models.serving_function(model, batch_size)}
    module = tf.Module()
    # The weights alone: of a Keras model TensorFlow would trace every layer again, for functions that nobody calls.
    module.weights = model.weights
    try:
        tf.saved_model.save(module, str(directory), signatures=signatures)
    except AssertionError:  # a layer holds something else, such as a table
        module.model = model
        tf.saved_model.save(module, str(directory), signatures=signatures)
    return _reader(directory)


def _reader(directory: Path) -> tf.lite.TFLiteConverter:
    return tf.lite.TFLiteConverter.from_saved_model(str(directory), signature_keys=[keras_models.SIGNATURE])


def _quantize_per_tensor(converter: tf.lite.TFLiteConverter, model: keras.Model) -> None:
    # Since 2.17 the converter scales every unit of a dense layer by itself: 16 shared weights become 40 and more.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    converter._experimental_disable_per_channel = per_tensor_convolutions(model)


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
    features, _ = calibration.take_arrays(settings.calibration_examples)

    def examples() -> Iterator[Features]:
        for index in range(len(next(iter(features.values())))):
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
            f"mode {mode} needs operators that TFLite has, but the converter said: {' '.join(reason.split())[:500]}; "
            "replace the layer, or choose another mode"
        ) from error


def _is_looping(converter: tf.lite.TFLiteConverter) -> bool:
    """Whether a float file has a loop; an LSTM that TFLite fuses is none."""
    graphs = read_graphs(_run(converter, "float32"))
    return any(operator.name == "WHILE" for graph in graphs for operator in graph.operators)


def _unrolled(model: keras.Model, loops: list[str], mode: str) -> keras.Model:
    try:
        return unrolled(model)
    except CompressionError as error:
        raise CompressionError(
            f"mode {mode} needs a graph without loops, got a loop for {', '.join(loops)}, and it cannot be written "
            f"out: {error}; or use an LSTM that TFLite can fuse (Keras's default activations, no mask), or choose mode "
            "dynamic or float16"
        ) from error

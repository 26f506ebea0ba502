"""Conversion of a Keras model to one TFLite file, post-training or after quantization-aware training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tf_keras as keras

from compression.data import Split, TrainingData
from compression.errors import CompressionError, OutputMismatch
from compression.layer_names import first_match
from compression.model_outputs import ask
from compression.predict import TFLitePredictor
from compression.qat import is_quantization_aware
from compression.quantization.converter import (
    Int8Requantizer,
    check_integer_io,
    convert_whole,
    per_tensor_convolutions,
)
from compression.quantization.edge_quantizer import EdgeRequantizer
from compression.quantization.effects import check_changed, check_layers
from compression.quantization.layer_operators import (
    INT4_OPERATORS,
    STATEFUL_OPERATORS,
    LayerOperator,
    layer_operators,
    layer_precisions,
)
from compression.quantization.outputs import UNEXPLAINED, Comparison, compare
from compression.quantization.selective import Requantizer, Selector
from compression.recurrent import unrolled
from compression.settings import QuantizeSettings
from compression.settings.quantize import CALIBRATED_MODES, INT8_MODES


@dataclass(frozen=True)
class Conversion:
    """A finished file and how it came about.

    Attributes:
        content: The flatbuffer.
        report: Plain values for JSON: `mode`; `layers`, what the file computes each layer in (`layer`, `precision`,
            `operators`); `stateful`, whether the file remembers the example before until its variables are reset, as
            fused LSTMs do; `equivalence`, its distance from the Keras model on train examples (`measure`, `error`,
            `allowed`, `examples`, and of several outputs the `output` that fits least); `clipping` of 4-bit weights,
            `min_max` or `octav`, or `None`; `selective` when there was a `max_validation_drop`, see
            `compression.quantization.selective.Selection`, else `None`.
    """

    content: bytes
    report: dict[str, Any]


def quantize(
    model: keras.Model,
    data: TrainingData,
    settings: QuantizeSettings,
    *,
    metric: str,
    keep_sharing: bool = False,
) -> Conversion:
    """Converts to TFLite with a `serving_default` signature whose inputs bear the model's input names.

    A quantization-aware model brings its own ranges, so it is not calibrated: calibration would quantize layers that
    were left float, with ranges that no training has seen. One exception is the converter's own: a convolution or
    dense layer that was left float between two trained ranges gets int8 weights (rounded, never trained).

    Args:
        model: Plain, or quantization-aware (modes `int8` and `int8_io` only, without `layers` or a budget).
        data: `train` sets the activation ranges of integer modes and checks the outputs; `validation` measures the drop
            when there is a budget for it.
        settings: The mode, and which layers differ from it.
        metric: What `max_validation_drop` is counted in, a name in `compression.settings.metrics.METRICS`; of one of
            several outputs `output/name`.
        keep_sharing: The model's weights are shared (a cluster step came before): dense layers get one scale, as do
            convolutions where that leaves fewest distinct integers.

    Returns:
        The file and a report; the same model, data and settings give the same bytes.

    Raises:
        OutputMismatch: The file does not compute what the model computes.
        CompressionError: Mode and model do not fit, an operator is refused, a pattern matches no layer, the budget
            cannot be met, or nothing was quantized.
    """
    if is_quantization_aware(model):
        _check_trained_ranges(settings)
    if settings.mode != "int4" and not settings.layers and settings.max_validation_drop is None:
        ranges = not is_quantization_aware(model)
        content = convert_whole(model, settings, data.train, ranges=ranges, keep_sharing=keep_sharing)
        return _finished(model, data.train, settings, content)
    wanted = first_match(settings.layers, [layer.name for layer in model.layers], key="layers")
    make, operators = _requantizer(model, settings, data.train, wanted, keep_sharing=keep_sharing)
    fixed = _fixed(operators, settings, wanted)
    selection = None
    if settings.max_validation_drop is not None:
        selection = Selector(make, operators, data, settings, metric=metric, fixed=fixed).select()
    content = selection.content if selection else make(fixed)
    report = {"clipping": getattr(make, "clipping", None), "selective": selection.report if selection else None}
    return _finished(model, data.train, settings, content, report)


def convert(model: keras.Model, settings: QuantizeSettings, calibration: Split, *, keep_sharing: bool = False) -> bytes:
    """`quantize` for settings without `max_validation_drop`: only the bytes, and no validation split is needed."""
    data = TrainingData(train=calibration, validation=calibration, task="regression", seed=0)
    return quantize(model, data, settings, metric="rmse", keep_sharing=keep_sharing).content


def max_abs_error(model: keras.Model, tflite: bytes, split: Split, count: int) -> float:
    """Largest difference between an output of the Keras model and of the TFLite file.

    Args:
        model: The model that was converted.
        tflite: The flatbuffer.
        split: Examples to compare on.
        count: How many of them, from the first.
    """
    features, _ = split.take_arrays(count)
    expected, got = ask(model, features), TFLitePredictor(tflite).answers(features)
    return float(np.max([np.max(np.abs(got[name] - np.asarray(values))) for name, values in expected.items()]))


def _check_trained_ranges(settings: QuantizeSettings) -> None:
    if settings.mode not in INT8_MODES:
        raise CompressionError(
            f"after qat the mode must be {' or '.join(sorted(INT8_MODES))}, got {settings.mode}: other modes throw the "
            "trained ranges away; change the mode or leave the qat step out"
        )
    given = settings.changed("layers", "max_validation_drop")
    if given:
        raise CompressionError(
            f"after qat every layer has the ranges it was trained with, got {' and '.join(given)}; leave them out, or "
            "name layers to stay float in the skip of the qat step"
        )


def _requantizer(
    model: keras.Model, settings: QuantizeSettings, train: Split, wanted: Mapping[str, str], *, keep_sharing: bool
) -> tuple[Requantizer, list[LayerOperator]]:
    """The converter for int8 beside float32, whose operators it covers best; the edge quantizer for all else."""
    names = [layer.name for layer in model.layers]
    precisions = {*wanted.values()}
    if settings.max_validation_drop is not None:
        precisions.add(settings.kept_precision)
    if settings.mode in INT8_MODES and precisions <= {"float32", "int8"}:
        make = Int8Requantizer(model, settings, train, keep_sharing=keep_sharing)
        return make, layer_operators(make.content, names)
    # The edge quantizer measures ranges from outside: it cannot see into a loop or a fused LSTM.
    source = unrolled(model) if settings.mode in CALIBRATED_MODES else model
    content = convert_whole(source, QuantizeSettings(mode="float32"), train)
    operators = layer_operators(content, names)
    per_tensor = {"FULLY_CONNECTED"} if keep_sharing else set()
    if keep_sharing and per_tensor_convolutions(model):
        per_tensor |= {"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"}
    layers = _fixed(operators, settings, wanted)
    return EdgeRequantizer(content, operators, settings, train, per_tensor=per_tensor, layers=layers), operators


def _fixed(operators: Sequence[LayerOperator], settings: QuantizeSettings, wanted: Mapping[str, str]) -> dict[str, str]:
    """Operator -> the precision that is wanted of its layer, where it can have it."""
    fixed: dict[str, str] = {}
    for operator in operators:
        precision = next((wanted[layer] for layer in operator.layers if layer in wanted), None)
        if precision is not None and (precision != "int4" or operator.op in INT4_OPERATORS[settings.mode]):
            fixed[operator.output] = precision
    return fixed


def _finished(
    model: keras.Model,
    train: Split,
    settings: QuantizeSettings,
    content: bytes,
    report: Mapping[str, Any] | None = None,
) -> Conversion:
    """Holds the file to what was asked for and to what the model computes."""
    names = [layer.name for layer in model.layers]
    operators = layer_operators(content, names)
    check_changed(content, settings)
    check_layers(operators, settings)
    if settings.mode == "int8_io":
        check_integer_io(content)
    coarsest = max((settings.mode, *settings.layers.values()), key=lambda one: UNEXPLAINED.get(one, 0.0))
    equivalence = compare(model, content, coarsest, train)
    if not equivalence.fits:
        raise OutputMismatch(_mismatch(settings.mode, equivalence), content)
    common = {
        "mode": settings.mode,
        "layers": layer_precisions(operators),
        "stateful": any(operator.op in STATEFUL_OPERATORS for operator in operators),
        "equivalence": equivalence.to_dict(),
        "clipping": None,
        "selective": None,
    }
    return Conversion(content, common | dict(report or {}))


def _mismatch(mode: str, found: Comparison) -> str:
    if found.measure == "largest error":
        advice = f"the model may hold weights that {mode} cannot hold: choose another mode"
    else:
        advice = "calibrate with examples like those of practice, or choose another mode"
    return (
        f"a {mode} file must compute what its Keras model computes, got a {found.measure} of {found.error:g} on "
        f"{found.examples} examples{f' in output {found.output}' if found.output else ''} "
        f"(allowed {found.allowed:g}); {advice}"
    )

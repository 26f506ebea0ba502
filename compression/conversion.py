"""From a saved Keras model to a finished file and all that is said of it: the work of one child process."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import tf_keras as keras

from compression import keras_models, promises, quantize
from compression.audit import Audit, audit
from compression.data import Split, TrainingData
from compression.determinism import seed_everything
from compression.errors import OutputMismatch
from compression.evaluate import evaluate
from compression.kernels import Kernel, kernels
from compression.layer_errors.measure import LayerError, measure
from compression.lut import lut_bytes
from compression.predict import TFLitePredictor
from compression.qat import is_quantization_aware
from compression.quantization.converter import convert_whole
from compression.settings import QuantizeSettings
from compression.step_promises import promise_mode

_EQUIVALENCE_EXAMPLES = 256
"""Validation examples on which the TFLite file is compared with the Keras model."""

Report = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What to convert; can be sent to another process.

    Attributes:
        model: Folder of the Keras model, as `keras_models.save` writes it.
        settings: Mode and all else.
        read: Gives the train and validation data with the features of these names.
        metric: Name of the metric to measure on validation.
        seed: Seed of every random choice.
        reports: Reports of the steps that made the model: their `promises` are held against the file, and what they
            list under `left_float` may be in float.
    """

    model: str
    settings: QuantizeSettings
    read: Callable[[Sequence[str]], TrainingData]
    metric: str
    seed: int
    reports: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Finished:
    """A finished file.

    Attributes:
        content: The flatbuffer.
        report: Plain values for JSON: `audit`, `promises: {made, broken}`, `mismatch` (why the file is not the model's;
            `None` when it is), `sizes`, `inputs`, `outputs`, `max_abs_error`, `validation`, and
            `layer_errors`: `{weights: one `LayerError` for each of `audit.weights`, reason: why there are none}`.
    """

    content: bytes
    report: Report


def finish(request: Request) -> Finished:
    """Converts, audits, compares and measures.

    A file that breaks promises or does not compute what its model computes is a result too: the report says so.

    Raises:
        CompressionError: There is no file: mode and model do not fit, or the converter refuses an operator.
    """
    seed_everything(request.seed)
    model = keras_models.load(request.model)
    data = request.read(model.input_names)
    mismatch = None
    made: Report = {}
    shared = any(report["step"] == "cluster" for report in request.reports)
    try:
        converted = quantize.quantize(model, data, request.settings, metric=request.metric, keep_sharing=shared)
        content, made = converted.content, converted.report
    except OutputMismatch as found:
        content, mismatch = found.content, str(found)
    weights = kernels(model)
    audited = audit(content, weights)
    predictor = TFLitePredictor(content)
    report = {
        **made,
        "audit": audited.to_dict(),
        "promises": _promises(audited, weights, request, _own_precisions(request.settings, made)),
        "mismatch": mismatch,
        "sizes": _sizes(content, audited),
        "inputs": [asdict(tensor) for tensor in predictor.inputs],
        "outputs": [asdict(tensor) for tensor in predictor.outputs],
        "max_abs_error": quantize.max_abs_error(model, content, data.validation, _EQUIVALENCE_EXAMPLES),
        "validation": evaluate(predictor.answers, data.validation, request.metric, data.task),
        "layer_errors": _layer_errors(request.settings, model, content, audited, data.train),
    }
    return Finished(content, report)


def _layer_errors(
    settings: QuantizeSettings, model: keras.Model, content: bytes, audited: Audit, train: Split
) -> Report:
    """`{weights: [..], reason}`: what quantization cost each weight tensor and its layer, or why that is not known."""
    reason = _not_comparable(settings, model)
    rows: list[LayerError] = []
    if not reason:
        try:
            # The file is made already: a second conversion does not touch its bytes.
            reference = convert_whole(model, QuantizeSettings(mode="float32"), train, ranges=False)
            stored = [row.stored for row in audited.weights]
            rows = measure(content, reference, stored, train, rounded=is_quantization_aware(model))
        except Exception as error:  # what is only told of a file must never cost the file
            reason = str(error) or type(error).__name__
    return {"weights": [row.to_dict() for row in rows], "reason": reason or None}


def _not_comparable(settings: QuantizeSettings, model: keras.Model) -> str:
    if settings.mode == "float32":
        return "it is the float32 file itself"
    if is_quantization_aware(model) and keras_models.looping_layers(model):
        # The converter may crash on trained ranges inside a loop, and would take the finished file along.
        return "a quantization-aware model with loops has no float32 file to compare with"
    return ""


def _own_precisions(settings: QuantizeSettings, made: Report) -> dict[str, str]:
    """Layers that have another precision than the mode's on purpose: by name, or to keep within the budget."""
    if not settings.layers and settings.max_validation_drop is None:
        return {}
    usual = {"int8_io": "int8"}.get(settings.mode, settings.mode)
    found: dict[str, set[str]] = {}
    for row in made.get("layers", ()):
        found.setdefault(row["layer"], set()).add(row["precision"])
    # A layer's activation may compute in float beside weights in the mode's own type.
    return {layer: min(precisions) for layer, precisions in found.items() if usual not in precisions}


def _promises(audited: Audit, weights: Iterable[Kernel], request: Request, precisions: Mapping[str, str]) -> Report:
    reports = request.reports
    left_float = {layer for report in reports for layer in report.get("left_float", ())}
    # Every step says what holds after it: removing channels, for one, makes some promises anew.
    made = [
        *promises.from_plain(reports[-1]["promises"] if reports else ()),
        *promise_mode(weights, request.settings.mode, left_float, precisions),
    ]
    return {"made": promises.to_plain(made), "broken": promises.check(made, audited)}


def _sizes(content: bytes, audited: Audit) -> Report:
    size, reason = lut_bytes(content, [row.stored for row in audited.weights])
    return {
        "entropy_bytes": audited.entropy_bytes,
        "lut_bytes": size,
        "not_measured": {} if size is not None else {"lut_bytes": reason},
    }

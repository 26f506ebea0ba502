"""From a saved Keras model to a finished file and all that is said of it: the work of one child process."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from compression import keras_models, promises, quantize
from compression.audit import Audit, audit
from compression.data import TrainingData
from compression.determinism import seed_everything
from compression.errors import OutputMismatch
from compression.evaluate import evaluate
from compression.kernels import Kernel, kernels
from compression.lut import lut_bytes
from compression.predict import TFLitePredictor
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
            `None` when it is), `sizes`, `inputs`, `outputs`, `max_abs_error`, `validation`.
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
    }
    return Finished(content, report)


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

"""What the finished file of an untrained model is like: it is really converted, on random examples."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tf_keras as keras

from compression import isolation, keras_models
from compression.conversion import Request, finish
from compression.data import Task
from compression.errors import CompressionError
from compression.preview.samples import EXAMPLES, RandomData
from compression.quantization.converter import missing_operators
from compression.settings import QuantizeSettings

_INTEGER_MODES = ("int8", "int8_io", "int16x8")


@dataclass(frozen=True)
class ConversionPreview:
    """What a conversion gives before training.

    Attributes:
        size_bytes: The file; training changes it by a few bytes at most. `None` when there is no file.
        gzip_bytes: The file after gzip -9; an estimate, because it depends on the weights.
        precisions: What the file computes each layer in.
        float_layers: Layers and operators that compute in float although the mode computes in integers.
        missing_operators: Operators that TFLite lacks, by TensorFlow's names.
        faults: Why there would be no file, or why it would be blocked.
    """

    size_bytes: int | None = None
    gzip_bytes: int | None = None
    precisions: Mapping[str, str] | None = None
    float_layers: tuple[str, ...] = ()
    missing_operators: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def preview_conversion(
    model: keras.Model, settings: QuantizeSettings, task: Task, reports: Sequence[Mapping[str, Any]] = ()
) -> ConversionPreview:
    """Converts in a child process, as a run would, and tells what comes out.

    Random examples stand for the train split, and a budget for the drop on validation is left out: which layers it
    would keep in float, only real examples can tell.

    Args:
        model: The model as the steps before would leave it, apart from training.
        settings: Of `quantize`.
        task: Fixes the labels.
        reports: What these steps would report: `step`, `promises`, and `left_float`.
    """
    without_budget = {"max_validation_drop": None, "keep": None, "ranking_examples": None}
    chosen = settings.model_copy(update={**without_budget, "calibration_examples": EXAMPLES})
    data = RandomData.for_model(model, task)
    metric = "mae" if task == "regression" else "accuracy"
    with tempfile.TemporaryDirectory() as folder:
        directory = str(Path(folder) / "model")
        keras_models.save(model, directory)
        request = Request(directory, chosen, data, metric, seed=0, reports=reports)
        try:
            report = isolation.run(finish, request, time_limit_s=settings.time_limit_s).report
        except CompressionError as error:
            missing = isolation.run(_missing_operators, directory, time_limit_s=settings.time_limit_s)
            return ConversionPreview(missing_operators=missing, faults=(str(error),))
    return _read(report, settings.mode)


def _missing_operators(directory: str) -> tuple[str, ...]:
    return missing_operators(keras_models.load(directory))


def _read(report: Mapping[str, Any], mode: str) -> ConversionPreview:
    audit = report["audit"]
    rows = report.get("layers", ())
    integers = mode in _INTEGER_MODES
    return ConversionPreview(
        size_bytes=audit["size_bytes"],
        gzip_bytes=audit["gzip_bytes"],
        precisions={row["layer"]: row["precision"] for row in rows},
        float_layers=tuple(
            f"{row['layer']} ({', '.join(row['operators'])})"
            for row in rows
            if integers and row["precision"] in ("float32", "float16")
        ),
        missing_operators=tuple(audit["custom_operators"]),
        # What integers make of random weights says nothing; a float file must compute what its model computes.
        faults=(*report["promises"]["broken"], *([] if integers or not report["mismatch"] else [report["mismatch"]])),
    )

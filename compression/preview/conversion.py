"""What the finished file of an untrained model is like: it is really converted, on random examples."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tf_keras as keras

from compression import isolation, keras_models
from compression.conversion import Request, finish
from compression.data import Task
from compression.errors import CompressionError
from compression.outputs import of_output
from compression.preview.samples import EXAMPLES, RandomData
from compression.quantization.converter import missing_operators
from compression.settings import QuantizeSettings

_INTEGER_MODES = ("int8", "int8_io", "int16x8")


@dataclass(frozen=True)
class ConversionPreview:
    """What a conversion gives before training.

    Attributes:
        takes: What the file computes each layer in (integer modes), or stores its kernels in.
        leaves: What the mode leaves in float32 of a layer.
        size_bytes: The file; training changes it by a few bytes at most. `None` when there is no file.
        gzip_bytes: The file after gzip -9; an estimate, because it depends on the weights.
        missing_operators: Operators that TFLite lacks, by TensorFlow's names.
        faults: Why there would be no file, or why it would be blocked.
    """

    takes: Mapping[str, str] = field(default_factory=dict)
    leaves: Mapping[str, str] = field(default_factory=dict)
    size_bytes: int | None = None
    gzip_bytes: int | None = None
    missing_operators: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def preview_conversion(
    model: keras.Model,
    settings: QuantizeSettings,
    task: Task | Mapping[str, Task],
    reports: Sequence[Mapping[str, Any]] = (),
) -> ConversionPreview:
    """Converts in a child process, as a run would, and tells what comes out.

    Random examples stand for the train split, and a budget for the drop on validation is left out: which layers it
    would keep in float, only real examples can tell.

    Args:
        model: The model as the steps before would leave it, apart from training.
        settings: Of `quantize`.
        task: Fixes the labels; of several outputs by name.
        reports: What these steps would report: `step`, `promises`, and `left_float`.
    """
    without_budget = {"max_validation_drop": None, "keep": None, "ranking_examples": None}
    chosen = settings.model_copy(update={**without_budget, "calibration_examples": EXAMPLES})
    data = RandomData.for_model(model, task)
    output, first = next(iter(data.tasks.items()))
    metric = of_output(output, "mae" if first == "regression" else "accuracy")
    with tempfile.TemporaryDirectory() as folder:
        directory = str(Path(folder) / "model")
        keras_models.save(model, directory)
        request = Request(directory, chosen, data, metric, seed=0, reports=reports)
        try:
            report = isolation.run(finish, request, time_limit_s=settings.time_limit_s).report
        except CompressionError as error:
            missing = isolation.run(_missing_operators, directory, time_limit_s=settings.time_limit_s)
            fault = f"TFLite must have every operator, but lacks {_listed(missing)}" if missing else str(error)
            return ConversionPreview(missing_operators=tuple(missing), faults=(fault,))
    return _read(report, settings.mode)


def _missing_operators(directory: str) -> dict[str, tuple[str, ...]]:
    return missing_operators(keras_models.load(directory))


def _listed(missing: Mapping[str, Sequence[str]]) -> str:
    return ", ".join(f"{name} ({', '.join(layers)})" if layers else name for name, layers in missing.items())


def _read(report: Mapping[str, Any], mode: str) -> ConversionPreview:
    audit, integers = report["audit"], mode in _INTEGER_MODES
    takes, leaves = _computed(report.get("layers", ())) if integers else _stored(audit["weights"], mode)
    return ConversionPreview(
        takes=takes,
        leaves=leaves,
        size_bytes=audit["size_bytes"],
        gzip_bytes=audit["gzip_bytes"],
        missing_operators=tuple(name.removeprefix("Flex") for name in audit["custom_operators"]),
        # What integers make of random weights says nothing; a float file must compute what its model computes.
        faults=(*report["promises"]["broken"], *([] if integers or not report["mismatch"] else [report["mismatch"]])),
    )


def _computed(rows: Iterable[Mapping[str, Any]]) -> tuple[dict[str, str], dict[str, str]]:
    """By layer, what it is computed in, and which of its operators compute in float."""
    takes: dict[str, str] = {}
    leaves: dict[str, str] = {}
    for row in rows:
        # Its own name, without what tfmot's wrapper puts in front.
        layer = row["layer"].removeprefix("quant_")
        if row["precision"] == "float32":
            leaves[layer] = f"{', '.join(row['operators'])} in float32"
        else:
            takes[layer] = row["precision"]
    return takes, leaves


def _stored(weights: Iterable[Mapping[str, Any]], mode: str) -> tuple[dict[str, str], dict[str, str]]:
    """By layer, what its kernels are stored in, and which of them stay float although the mode shrinks weights."""
    found = {layer: row["dtype"] for row in weights for layer, _ in row["kernels"]}
    if mode == "float32":
        return found, {}
    floats = {layer: "weights in float32" for layer, dtype in found.items() if dtype == "float32"}
    return {layer: dtype for layer, dtype in found.items() if layer not in floats}, floats

"""Layout of our `Model` artifacts: TFX's `Format-Serving/` and, beside it, what each step reports."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorflow import keras
from tfx.types.standard_artifacts import Model
from tfx.utils import path_utils

from compression import keras_models

STEPS_FILE = "steps.json"
TFLITE_FILE = "tflite"
"""The stock Evaluator knows a TFLite model by this name."""

VARIANT_PROPERTY = "variant"


def load_keras(model: Model) -> keras.Model:
    """The Keras model of an artifact of the Trainer or of a step."""
    return keras_models.load(path_utils.serving_model_path(model.uri))


def save_keras(model: keras.Model, artifact: Model, reports: list[dict[str, Any]]) -> None:
    """Writes a step's model with the reports of all steps up to it."""
    keras_models.save(model, path_utils.serving_model_dir(artifact.uri))
    _write_reports(artifact, reports)


def save_tflite(content: bytes, artifact: Model, reports: list[dict[str, Any]]) -> None:
    """Writes a finished model with the reports of all steps up to it."""
    path = tflite_path(artifact)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    _write_reports(artifact, reports)


def tflite_path(artifact: Model) -> Path:
    """Where the finished model lies."""
    return Path(path_utils.serving_model_dir(artifact.uri)) / TFLITE_FILE


def step_reports(artifact: Model) -> list[dict[str, Any]]:
    """Reports of the steps that made this model, first step first; empty for the Trainer's."""
    path = Path(artifact.uri) / STEPS_FILE
    return json.loads(path.read_text()) if path.exists() else []


def conversion(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is known of a finished file: the report of `quantize`, and what an export says of the file that ships."""
    found: dict[str, Any] = {}
    for report in reports:
        if report["step"] in ("quantize", "export"):
            found |= report
    return found


def faults(report: Mapping[str, Any]) -> list[str]:
    """Why a finished file must not be used, from the report of its conversion: a mismatch, and broken promises."""
    mismatch, promises = report.get("mismatch"), report.get("promises", {})
    return [*([mismatch] if mismatch else []), *promises.get("broken", [])]


def _write_reports(artifact: Model, reports: list[dict[str, Any]]) -> None:
    Path(artifact.uri).mkdir(parents=True, exist_ok=True)
    (Path(artifact.uri) / STEPS_FILE).write_text(json.dumps(reports))

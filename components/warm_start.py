"""Warm start: a training that begins with the weights of the champion's float parent."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tensorflow import keras
from tfx.dsl.io import fileio
from tfx.types.standard_artifacts import ModelRun

from components.champion import read_parent
from compression import keras_models
from compression.architecture import first_difference, take_weights

WARM_START_FILE = "warm_start.json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WarmStart:
    """How a training began.

    Attributes:
        used: Whether it began with the champion's weights.
        version: The champion's number; `None` when there is none.
        reason: Why it began anew, in words; empty when it did not.
    """

    used: bool
    version: int | None
    reason: str = ""


def begin(model: keras.Model, parent_serving_dir: str) -> WarmStart:
    """Gives `model` the weights of the champion's float parent, where there is one that is built alike.

    Args:
        model: The model to train; untouched unless the weights are taken.
        parent_serving_dir: `Format-Serving` of the artifact that `components.champion` emits.
    """
    found = read_parent(str(Path(parent_serving_dir).parent))
    if not found.present:
        start = WarmStart(False, found.version, found.reason)
    else:
        parent = keras_models.load(parent_serving_dir)
        difference = first_difference(model, parent)
        if difference is None:
            take_weights(model, parent)
        reason = f"the champion's model is built otherwise (there; here is this run's): {difference}"
        start = WarmStart(difference is None, found.version, "" if difference is None else reason)
    _log.warning("%s", describe(asdict(start)))
    return start


def describe(start: dict[str, Any]) -> str:
    """A `WarmStart`, as plain values, in words."""
    if start["used"]:
        return f"training went on from the float model of the champion, version {start['version']}"
    of = f" with champion version {start['version']}" if start["version"] else ""
    return f"COLD START{of}: training began with new weights, because {start['reason']}"


def write(start: WarmStart, model_run_dir: str) -> None:
    """Keeps how the training began beside its history."""
    with fileio.open(f"{model_run_dir}/{WARM_START_FILE}", "w") as stream:
        stream.write(json.dumps(asdict(start)))


def read(model_run: ModelRun) -> dict[str, Any] | None:
    """How a training began, `{used, version, reason}`; `None` when no warm start was asked for."""
    path = f"{model_run.uri}/{WARM_START_FILE}"
    if not fileio.exists(path):
        return None
    with fileio.open(path) as stream:
        return json.loads(stream.read())

"""One trial of a search: measure the converted model, train it if it is within the budgets, measure again."""

import gzip
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
import tf_keras as keras

from compression import keras_models
from compression.data import Split, TrainingData
from compression.determinism import seed_everything
from compression.edge import budgets
from compression.edge.graph import read_graph
from compression.edge.macs import NotCounted, macs
from compression.errors import CompressionError, OutputMismatch
from compression.evaluate import evaluate
from compression.predict import TFLitePredictor
from compression.quantize import convert
from compression.reading import prepared
from compression.search.space import Point
from compression.settings import QuantizeSettings, SearchSettings, TrainSettings
from compression.settings.edge import EdgeSettings
from compression.settings.metrics import metric_row
from compression.training import train

_UNTRAINED = "gzip depends on the weights, and the model was not trained"
# Size and operators do not depend on the activation ranges, so a few examples do.
_CALIBRATION_OF_UNTRAINED = 8


class Status(StrEnum):
    """How a trial ended."""

    COMPLETED = "completed"
    OVER_BUDGET = "over_budget"
    FAILED = "failed"


@dataclass(frozen=True)
class Trial:
    """What one point of the space gave.

    Attributes:
        hparams: The point.
        status: How it ended.
        value: The metric of the converted model on validation; `None` when it was not trained.
        size_bytes: The converted file.
        gzip_bytes: The same after gzip -9; `None` when it was not trained.
        macs: Multiply-accumulates for one example; `None` when they cannot be counted.
        seconds: Wall time.
        reason: Why it did not complete.
        not_measured: Why a number is missing.
    """

    hparams: Point
    status: Status
    value: float | None = None
    size_bytes: int | None = None
    gzip_bytes: int | None = None
    macs: int | None = None
    seconds: float = 0.0
    reason: str | None = None
    not_measured: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Trial":
        """Reads what `to_dict` wrote."""
        return cls(**{**values, "status": Status(values["status"])})


@dataclass(frozen=True)
class Experiment:
    """What all trials of a search share; can be sent to another process.

    Attributes:
        read: Gives the train and validation data with the features of these names.
        settings: Budgets, conversion mode, and what replaces `train`'s settings.
        train: Settings of the final training.
        metric: A name in `compression.settings.metrics.METRICS`.
        seed: Seed of every random choice.
    """

    read: Callable[[Sequence[str]], TrainingData]
    settings: SearchSettings
    train: TrainSettings
    metric: str
    seed: int


def run_trial(model: str, hparams: Point, experiment: Experiment) -> Trial:
    """Measures a model and, if it is within the budgets, trains it: the work of one child process.

    The budgets for size and multiply-accumulates are checked before training: neither depends on what the weights
    are, as long as they are not zeros and ones, which untrained biases and scales are and which the converter folds
    away. After training all budgets are checked on the trained file.

    Args:
        model: Folder of the untrained model, as `keras_models.save` writes it.
        hparams: The point at which it was built.
        experiment: What all trials share.

    Returns:
        A failed trial when the model cannot be converted or trained.
    """
    try:
        return _measure_and_train(model, hparams, experiment)
    except CompressionError as error:
        return Trial(hparams, Status.FAILED, reason=str(error))


def judge(trial: Trial, settings: SearchSettings) -> Trial | None:
    """A finished trial under these budgets; `None` when it is within them and was never trained."""
    if trial.status is Status.FAILED:
        return trial
    excess = over_budget(trial, settings)
    if excess:
        return replace(trial, status=Status.OVER_BUDGET, reason="; ".join(excess))
    return None if trial.value is None else replace(trial, status=Status.COMPLETED, reason=None)


def loss(trial: Trial, metric: str) -> float:
    """What a search minimizes: the value of a completed trial, negated where higher is better."""
    assert trial.value is not None
    return -trial.value if metric_row(metric).higher_is_better else trial.value


def over_budget(trial: Trial, settings: SearchSettings) -> list[str]:
    """The budgets that a trial breaks, in words; one that must be measured and was not is broken.

    Args:
        trial: With the numbers of its converted model; the budget for gzip is left out as long as it is not trained.
        settings: The budgets.
    """
    due = ["max_size_bytes", "max_macs"] + ["max_gzip_bytes"] * (trial.gzip_bytes is not None)
    limits = EdgeSettings(**{name: getattr(settings, name) for name in due})
    return [budget.reason for budget in budgets.judge(limits, asdict(trial), trial.not_measured) if not budget.met]


def _measure_and_train(folder: str, hparams: Point, experiment: Experiment) -> Trial:
    settings = experiment.settings
    seed_everything(experiment.seed)
    model = keras_models.load(folder)
    data = experiment.read(model.input_names)
    with _generic_weights(model):
        untrained = QuantizeSettings(mode=settings.mode, calibration_examples=_CALIBRATION_OF_UNTRAINED)
        content = _converted(model, untrained, data.train)
    trial = _measured(Trial(hparams, Status.OVER_BUDGET, not_measured={"gzip_bytes": _UNTRAINED}), content)
    judged = judge(trial, settings)
    if judged is not None:
        return judged
    with prepared(data) as read:
        train(model, read, settings.training(experiment.train))
        content = convert(model, QuantizeSettings(mode=settings.mode), read.train)
        value = _value(content, read.validation, experiment.metric, read)
    gzip_bytes = len(gzip.compress(content, compresslevel=9))
    trained = _measured(Trial(hparams, Status.COMPLETED, value=value, gzip_bytes=gzip_bytes), content)
    return judge(trained, settings) or trained


def _converted(model: keras.Model, settings: QuantizeSettings, train_split: Split) -> bytes:
    """The file of an untrained model: how well it answers is no matter."""
    try:
        return convert(model, settings, train_split)
    except OutputMismatch as found:
        return found.content


@contextmanager
def _generic_weights(model: keras.Model) -> Iterator[None]:
    """Moves every weight a little away from the values that it starts with, and back."""
    before = model.get_weights()
    noise = np.random.default_rng(0)
    # Added, so that variances stay positive.
    model.set_weights(
        [
            weight + np.abs(noise.normal(0.0, 0.01, weight.shape)).astype(weight.dtype)
            if np.issubdtype(weight.dtype, np.floating)
            else weight
            for weight in before
        ]
    )
    try:
        yield
    finally:
        model.set_weights(before)


def _measured(trial: Trial, content: bytes) -> Trial:
    trial = replace(trial, size_bytes=len(content))
    try:
        return replace(trial, macs=macs(read_graph(content)))
    except NotCounted as error:
        return replace(trial, not_measured={**trial.not_measured, "macs": str(error)})


def _value(content: bytes, validation: Split, metric: str, data: TrainingData) -> float:
    value = evaluate(TFLitePredictor(content).answers, validation, metric, data.task)
    if not math.isfinite(value):
        raise CompressionError(f"{metric} must be a finite number on validation, got {value}; lower learning_rate")
    return value

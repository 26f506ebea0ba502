"""Training and fine-tuning by each task's own loss, with or without a teacher."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tf_keras as keras

from compression.augmentation import check_augment
from compression.class_weights import weight_tables
from compression.data import Task, TrainingData
from compression.determinism import seed_everything
from compression.distillation import DistillationLoss, on_label
from compression.errors import CompressionError
from compression.model_outputs import output_names, output_shapes
from compression.outputs import keys
from compression.settings import FinetuneSettings, TrainSettings
from compression.structure import Keep, Structure, StructuredAdam
from compression.training_batches import train_batches, validation_batches

History = dict[str, list[float]]
OnEpoch = Callable[[int, int, Mapping[str, float]], None]
"""Progress hook: epochs done (from 1), epochs planned, and the epoch's losses and metrics by name."""

_LOSSES: dict[Task, Callable[[], keras.losses.Loss]] = {
    "multiclass": keras.losses.SparseCategoricalCrossentropy,
    "binary": keras.losses.BinaryCrossentropy,
    "regression": keras.losses.MeanSquaredError,
}
_METRICS: dict[Task, tuple[str, Callable[..., tf.Tensor]]] = {
    "multiclass": ("accuracy", keras.metrics.sparse_categorical_accuracy),
    "binary": ("accuracy", keras.metrics.binary_accuracy),
    "regression": ("mae", keras.metrics.mean_absolute_error),
}


def train(
    model: keras.Model, data: TrainingData, settings: TrainSettings, *, on_epoch: OnEpoch | None = None
) -> History:
    """Trains the model in place with Adam; with a patience set, the best weights on validation are kept.

    The losses of several outputs are added.

    Args:
        model: A model that passed `check_model`.
        data: `train` is fitted, `validation` decides about stopping.
        settings: Epochs, batch size (examples), learning rate, schedule, patience (epochs).
        on_epoch: Called after every epoch.

    Returns:
        One value per epoch of `loss`, `val_loss`, and `accuracy`, `val_accuracy` (regression: `mae`, `val_mae`); with
        several outputs those of each as well, such as `digit_loss` and `val_digit_accuracy`.

    Raises:
        CompressionError: A class label outside the model's range, or a loss that is no number.
    """
    callbacks = []
    if settings.early_stopping_patience is not None:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                monitor="val_loss", patience=settings.early_stopping_patience, restore_best_weights=True
            )
        )
    _check(model, data)
    objectives = {output: _Objective.of_labels(task) for output, task in data.tasks.items()}
    return _fit(model, data, settings, callbacks, on_epoch, objectives=objectives)


def finetune(
    model: keras.Model,
    data: TrainingData,
    settings: FinetuneSettings,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    *,
    teacher: keras.Model | None = None,
    keep: Keep | None = None,
    on_epoch: OnEpoch | None = None,
) -> History:
    """Trains a compressed model a little further, in place, for all epochs; see `train`.

    There is no early stopping: the best epoch of a pruning run would be one with too few zeros. With
    `batch_norm: freeze` batch-normalization layers use their stored statistics and learn nothing, also inside tfmot's
    wrappers.

    Args:
        model: The model, plain or with tfmot's wrappers.
        data: `train` is fitted; `validation` is only reported.
        settings: Epochs, batch size (examples), learning rate, and how much the teacher's answers count.
        callbacks: Further callbacks of Keras.
        teacher: Needed when `settings.teacher` names one.
        keep: What training must not undo in the weights as they are now.
        on_epoch: Called after every epoch.

    Raises:
        CompressionError: As `train`; also when the teacher is missing or does not fit.
    """
    structure = Structure(model, keep) if keep else None
    objectives = {output: _Objective.of_labels(task) for output, task in data.tasks.items()}
    if settings.teacher is not None:
        _check_teacher(model, teacher)
        objectives = {output: _Objective.of_teacher(task, settings) for output, task in data.tasks.items()}
    _check(model, data)
    taught_by = teacher if settings.teacher is not None else None
    with batch_norm_frozen(model, frozen=settings.batch_norm == "freeze"):
        return _fit(
            model, data, settings, callbacks, on_epoch, objectives=objectives, structure=structure, teacher=taught_by
        )


def steps_per_epoch(size: int, batch_size: int) -> int:
    """Batches in one pass over `size` examples; the last batch may be smaller.

    >>> steps_per_epoch(size=130, batch_size=64)
    3
    """
    return math.ceil(size / batch_size)


@dataclass(frozen=True)
class _Objective:
    """What is minimized for one output, and the metric that is shown beside it."""

    loss: keras.losses.Loss
    metric: keras.metrics.Metric

    @classmethod
    def of_labels(cls, task: Task) -> "_Objective":
        name, function = _METRICS[task]
        return cls(_LOSSES[task](), keras.metrics.MeanMetricWrapper(function, name=name))

    @classmethod
    def of_teacher(cls, task: Task, settings: FinetuneSettings) -> "_Objective":
        name, function = _METRICS[task]
        loss = DistillationLoss(_LOSSES[task](), task, settings.temperature, settings.alpha)
        return cls(loss, keras.metrics.MeanMetricWrapper(on_label(function), name=name))


def _fit(
    model: keras.Model,
    data: TrainingData,
    settings: TrainSettings | FinetuneSettings,
    callbacks: Sequence[keras.callbacks.Callback],
    on_epoch: OnEpoch | None,
    *,
    objectives: Mapping[str, _Objective],
    structure: Structure | None = None,
    teacher: keras.Model | None = None,
) -> History:
    seed_everything(data.seed)
    rate = _learning_rate(settings, steps_per_epoch(data.train.size, settings.batch_size) * settings.epochs)
    optimizer = keras.optimizers.Adam(rate) if structure is None else StructuredAdam(rate, structure)
    outputs = keys(output_names(model))
    model.compile(
        optimizer=optimizer,
        loss=[objectives[output].loss for output in outputs],
        metrics=[[objectives[output].metric] for output in outputs],
    )

    def epoch_done(epoch: int, logs: Mapping[str, float]) -> None:
        _check_loss(epoch, logs, settings.learning_rate)
        if on_epoch is not None:
            on_epoch(epoch + 1, settings.epochs, logs)

    history = model.fit(
        train_batches(data, settings.batch_size, outputs, teacher=teacher, tables=_weight_tables(model, data)),
        validation_data=validation_batches(data.validation, max(settings.batch_size, 256), outputs, teacher=teacher),
        epochs=settings.epochs,
        callbacks=[*callbacks, keras.callbacks.LambdaCallback(on_epoch_end=epoch_done)],
        verbose=0,
    )
    return {name: [float(value) for value in values] for name, values in history.history.items() if name != "lr"}


def _learning_rate(
    settings: TrainSettings | FinetuneSettings, total_steps: int
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    if settings.learning_rate_schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(settings.learning_rate, decay_steps=total_steps)
    return settings.learning_rate


def _check_loss(epoch: int, logs: Mapping[str, float], learning_rate: float) -> None:
    # The epoch's loss is a running mean: one batch that was no number makes all of it none.
    for name in ("loss", "val_loss"):
        if not math.isfinite(logs.get(name, 0.0)):
            raise CompressionError(
                f"{name} must stay a finite number, got {logs[name]} in epoch {epoch + 1}; lower learning_rate "
                f"(now {learning_rate:g}) or look for extreme feature values"
            )


def _check_teacher(model: keras.Model, teacher: keras.Model | None) -> None:
    if teacher is None:
        raise CompressionError(
            "`teacher: baseline` needs the baseline, got none; hand it to the method as `teacher`, or remove the key"
        )
    wanted, got = output_shapes(teacher), output_shapes(model)
    if wanted != got:
        raise CompressionError(
            f"a student must answer in the teacher's shape {_shapes(wanted)}, got {_shapes(got)}; change its last layer"
        )


def _shapes(by_name: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name}: {shape}" if name else str(shape) for name, shape in by_name.items())


def _check(model: keras.Model, data: TrainingData) -> None:
    """Labels, class weights and augmentation, before any epoch costs time."""
    _check_labels(model, data)
    _weight_tables(model, data)
    if data.augment is not None:
        check_augment(data.augment, data.train)


def _weight_tables(model: keras.Model, data: TrainingData) -> dict[str, np.ndarray]:
    if data.reading.class_weights == "none":
        return {}
    return weight_tables(data.reading.class_weights, data.tasks, _classes(model, data), data.train.facts.labels)


def _classes(model: keras.Model, data: TrainingData) -> dict[str, int]:
    """How many classes each output knows; without those of regressions."""
    shapes = output_shapes(model)
    return {
        output: 2 if task == "binary" else shapes[output][0]
        for output, task in data.tasks.items()
        if task != "regression"
    }


def _check_labels(model: keras.Model, data: TrainingData) -> None:
    """The loss itself would answer an unknown class with NaN or a low-level error."""
    classes = _classes(model, data)
    for split_name, split in (("train", data.train), ("validation", data.validation)) if classes else ():
        found = [(output, label) for output in classes for label in split.facts.labels.get(output, ())]
        for output, label in sorted(found):
            if not 0 <= label < classes[output] or label != int(label):
                of = f" for output {output}" if output else ""
                raise CompressionError(
                    f"labels of task {data.tasks[output]} must be whole numbers from 0 to {classes[output] - 1} "
                    f"because the model knows {classes[output]} classes, got {label:g} in split {split_name}{of}; "
                    "correct the label or the last layer"
                )


@contextmanager
def batch_norm_frozen(model: keras.Model, *, frozen: bool) -> Iterator[None]:
    """Makes batch normalization run in inference mode; everything is put back so that later steps decide themselves."""
    holders = [layer for layer in model.layers if frozen and _is_trainable_batch_norm(layer)]
    # tfmot's wrapper lists the scales of the layer inside as its own: the flag alone does not reach that list.
    lists = [list(holder._trainable_weights) for holder in holders]
    for holder in holders:
        holder.trainable = False
        if hasattr(holder, "layer"):
            holder._trainable_weights = []
    try:
        yield
    finally:
        for holder, weights in zip(holders, lists, strict=True):
            holder.trainable = True
            holder._trainable_weights = weights


def _is_trainable_batch_norm(layer: keras.layers.Layer) -> bool:
    inner = getattr(layer, "layer", layer)
    return isinstance(inner, keras.layers.BatchNormalization) and inner.trainable

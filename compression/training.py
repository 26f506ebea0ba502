"""Training and fine-tuning by the task's own loss."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import tf_keras as keras

from compression.data import Split, Task, TrainingData
from compression.determinism import seed_everything
from compression.errors import CompressionError
from compression.settings import FinetuneSettings, TrainSettings

History = dict[str, list[float]]
OnEpoch = Callable[[int, int, Mapping[str, float]], None]
"""Progress hook: epochs done (from 1), epochs planned, and the epoch's losses and metrics by name."""

_LOSSES: dict[Task, Callable[[], keras.losses.Loss]] = {
    "multiclass": keras.losses.SparseCategoricalCrossentropy,
    "binary": keras.losses.BinaryCrossentropy,
    "regression": keras.losses.MeanSquaredError,
}
_METRICS: dict[Task, Callable[[], keras.metrics.Metric]] = {
    "multiclass": lambda: keras.metrics.SparseCategoricalAccuracy(name="accuracy"),
    "binary": lambda: keras.metrics.BinaryAccuracy(name="accuracy"),
    "regression": lambda: keras.metrics.MeanAbsoluteError(name="mae"),
}


def train(
    model: keras.Model, data: TrainingData, settings: TrainSettings, *, on_epoch: OnEpoch | None = None
) -> History:
    """Trains the model in place with Adam; with a patience set, the best weights on validation are kept.

    Args:
        model: A model that passed `check_model`.
        data: `train` is fitted, `validation` decides about stopping.
        settings: Epochs, batch size (examples), learning rate, schedule, patience (epochs).
        on_epoch: Called after every epoch.

    Returns:
        One value per epoch of `loss`, `val_loss`, and `accuracy`, `val_accuracy` (regression: `mae`, `val_mae`).

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
    return _fit(model, data, settings, callbacks, on_epoch)


def finetune(
    model: keras.Model,
    data: TrainingData,
    settings: FinetuneSettings,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    *,
    on_epoch: OnEpoch | None = None,
) -> History:
    """Trains a compressed model a little further, in place, for all epochs; see `train`.

    There is no early stopping: the best epoch of a pruning run would be one with too few zeros. With
    `batch_norm: freeze` batch-normalization layers use their stored statistics and learn nothing, also inside tfmot's
    wrappers.
    """
    with _batch_norm_frozen(model, settings.batch_norm == "freeze"):
        return _fit(model, data, settings, callbacks, on_epoch)


def steps_per_epoch(size: int, batch_size: int) -> int:
    """Batches in one pass over `size` examples; the last batch may be smaller.

    >>> steps_per_epoch(size=130, batch_size=64)
    3
    """
    return math.ceil(size / batch_size)


def _fit(
    model: keras.Model,
    data: TrainingData,
    settings: TrainSettings | FinetuneSettings,
    callbacks: Sequence[keras.callbacks.Callback],
    on_epoch: OnEpoch | None,
) -> History:
    _check_labels(model, data)
    seed_everything(data.seed)
    steps = steps_per_epoch(data.train.size, settings.batch_size)
    model.compile(
        optimizer=keras.optimizers.Adam(_learning_rate(settings, steps * settings.epochs)),
        loss=_LOSSES[data.task](),
        metrics=[_METRICS[data.task]()],
    )

    def epoch_done(epoch: int, logs: Mapping[str, float]) -> None:
        _check_loss(epoch, logs, settings.learning_rate)
        if on_epoch is not None:
            on_epoch(epoch + 1, settings.epochs, logs)

    history = model.fit(
        data.train.batches(settings.batch_size, shuffle_seed=data.seed),
        validation_data=data.validation.batches(max(settings.batch_size, 256)),
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


def _check_labels(model: keras.Model, data: TrainingData) -> None:
    """One pass over the labels; the loss itself would answer an unknown class with NaN or a low-level error."""
    if data.task == "regression":
        return
    classes = 2 if data.task == "binary" else int(model.outputs[0].shape[1])
    for split_name, split in (("train", data.train), ("validation", data.validation)):
        for label in _distinct_labels(split):
            if not 0 <= label < classes or label != int(label):
                raise CompressionError(
                    f"labels of task {data.task} must be whole numbers from 0 to {classes - 1} because the model knows "
                    f"{classes} classes, got {label:g} in split {split_name}; correct the label or the last layer"
                )


def _distinct_labels(split: Split) -> list[float]:
    labels: set[float] = set()
    for _, label in split.batches(1024):
        labels.update(np.unique(label.numpy()).tolist())
    return sorted(labels)


@contextmanager
def _batch_norm_frozen(model: keras.Model, frozen: bool) -> Iterator[None]:
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

import numpy as np
import pytest
import tf_keras as keras

from compression.data import Split, TrainingData
from compression.errors import CompressionError
from compression.settings import FinetuneSettings, TrainSettings
from compression.training import finetune, train


def _table(task: str, labels: np.ndarray, scale: float = 1.0) -> TrainingData:
    features = scale * np.random.default_rng(0).normal(size=(len(labels), 4)).astype(np.float32)
    split = Split.from_arrays({"x": features}, labels)
    return TrainingData(split, split, task, seed=1)


def _head(units: int, activation: str | None) -> keras.Model:
    x = keras.Input((4,), name="x")
    return keras.Model(x, keras.layers.Dense(units, activation=activation, name="head")(x))


@pytest.mark.parametrize(
    ("task", "model", "labels", "metric"),
    [
        ("multiclass", lambda: _head(3, "softmax"), np.arange(32) % 3, "accuracy"),
        ("binary", lambda: _head(1, "sigmoid"), np.arange(32) % 2, "accuracy"),
        ("regression", lambda: _head(1, None), np.linspace(0, 1, 32, dtype=np.float32), "mae"),
    ],
)
def test_each_task_reports_its_losses_and_metric_per_epoch(task, model, labels, metric):
    seen = []
    history = train(
        model(),
        _table(task, labels),
        TrainSettings(epochs=2, batch_size=8),
        on_epoch=lambda done, epochs, logs: seen.append((done, epochs, set(logs))),
    )
    names = {"loss", "val_loss", metric, f"val_{metric}"}
    assert set(history) == names
    assert all(len(values) == 2 for values in history.values())
    assert seen == [(1, 2, names), (2, 2, names)]


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_outside_the_classes_is_named(label):
    labels = np.array([0, 1, 2, label])
    with pytest.raises(CompressionError, match=rf"from 0 to 2 .* 3 classes, got {label} in split train"):
        train(_head(3, "softmax"), _table("multiclass", labels), TrainSettings(epochs=1))


def test_a_label_outside_the_classes_is_found_in_validation_too():
    good, bad = _table("binary", np.array([0, 1])), _table("binary", np.array([0, 2]))
    with pytest.raises(CompressionError, match="got 2 in split validation"):
        train(_head(1, "sigmoid"), TrainingData(good.train, bad.train, "binary", 1), TrainSettings(epochs=1))


def test_a_loss_that_is_no_number_stops_training():
    data = _table("regression", np.ones(8, np.float32), scale=1e30)
    with pytest.raises(CompressionError, match=r"loss must stay a finite number.*epoch 1; lower learning_rate"):
        train(_head(1, None), data, TrainSettings(epochs=3))


def test_early_stopping_goes_back_to_the_best_weights():
    # Validation labels are the opposite of train's: every epoch makes validation worse, so the first is the best.
    features = np.ones((8, 4), np.float32)
    data = TrainingData(
        Split.from_arrays({"x": features}, np.ones(8, np.float32)),
        Split.from_arrays({"x": features}, -np.ones(8, np.float32)),
        "regression",
        seed=1,
    )
    model = _head(1, None)
    model.set_weights([np.zeros((4, 1)), np.zeros(1)])
    history = train(model, data, TrainSettings(epochs=9, learning_rate=0.1, early_stopping_patience=2))
    assert len(history["val_loss"]) == 3
    # One Adam step moves every weight by the learning rate: prediction 5 * 0.1 against -1.
    assert history["val_loss"][0] == pytest.approx(1.5**2, rel=1e-3)
    assert model.get_weights()[1][0] == pytest.approx(0.1, rel=1e-3)


def test_the_cosine_schedule_falls_over_all_steps():
    model = _head(1, None)
    data = _table("regression", np.ones(16, np.float32))
    finetune(model, data, FinetuneSettings(epochs=2, batch_size=8, learning_rate_schedule="cosine"))
    # The last of four steps runs at (1 + cos(3/4 pi)) / 2 of the rate.
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3 * (1 - np.sqrt(0.5)) / 2, rel=1e-4)


def test_frozen_batch_norm_keeps_statistics_and_scales_and_thaws_afterwards(build, data):
    for batch_norm, changes in (("freeze", False), ("update", True)):
        model = build("conv_bn_relu")
        norm = model.get_layer("norm")
        before = norm.get_weights()
        kernel = model.get_layer("digit").get_weights()[0]
        finetune(model, data, FinetuneSettings(epochs=1, batch_norm=batch_norm))
        changed = [not np.array_equal(old, new) for old, new in zip(before, norm.get_weights(), strict=True)]
        assert changed == [changes] * 4
        assert not np.array_equal(kernel, model.get_layer("digit").get_weights()[0])
        assert norm.trainable

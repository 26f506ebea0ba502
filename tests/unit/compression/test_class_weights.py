"""Weights of classes, against numbers worked by hand."""

import numpy as np
import pytest
import tf_keras as keras

from compression.class_weights import weight_tables
from compression.data import Split, TrainingData
from compression.errors import CompressionError
from compression.settings import FinetuneSettings, TrainSettings
from compression.settings.reading import ReadingSettings
from compression.training import finetune, train
from compression.training_batches import train_batches

LABELS = np.array([0, 0, 0, 0, 0, 0, 1, 1])
BALANCED = ReadingSettings(class_weights="balanced")
ONE_STEP = {"epochs": 1, "batch_size": 8}


def _data(reading: ReadingSettings, labels: np.ndarray = LABELS, task: str = "binary") -> TrainingData:
    split = Split.from_arrays({"x": np.ones((len(labels), 1), np.float32)}, labels)
    return TrainingData(split, split, task, seed=1, reading=reading)


def _binary() -> keras.Model:
    x = keras.Input((1,), name="x")
    model = keras.Model(x, keras.layers.Dense(1, activation="sigmoid", use_bias=False, name="head")(x))
    model.set_weights([np.array([[np.log(3.0)]])])  # answers 0.75
    return model


def _tables(setting, task="multiclass", classes=3):
    return weight_tables(setting, {"": task}, {"": classes}, {"": {0: 6, 2: 2}})


@pytest.mark.methods
def test_the_loss_of_training_is_weighted_and_that_of_validation_is_not():
    zero, one = -np.log(0.25), -np.log(0.75)
    unweighted = (6 * zero + 2 * one) / 8
    for reading, expected in (
        (ReadingSettings(), unweighted),
        # Balanced: 8 / (2 * 6) and 8 / (2 * 2).
        (BALANCED, (6 * zero * 8 / 12 + 2 * one * 2) / 8),
        (ReadingSettings(class_weights={"1": 3.0}), (6 * zero + 2 * one * 3) / 8),
    ):
        # So small a rate that the weights are the same after the epoch, when validation is looked at.
        history = train(_binary(), _data(reading), TrainSettings(learning_rate=1e-9, **ONE_STEP))
        assert history["loss"] == pytest.approx([expected], rel=1e-5)
        assert history["val_loss"] == pytest.approx([unweighted], rel=1e-5)
        assert history["accuracy"] == [0.25]  # two of eight, however much they count


@pytest.mark.methods
def test_fine_tuning_weighs_like_training_also_beside_a_teacher():
    zero, one = -np.log(0.25), -np.log(0.75)
    weighted = (6 * zero * 8 / 12 + 2 * one * 2) / 8
    history = finetune(_binary(), _data(BALANCED), FinetuneSettings(learning_rate=1e-9, **ONE_STEP))
    assert history["loss"] == pytest.approx([weighted], rel=1e-5)
    # A teacher that answers the same differs by nothing: what is left are the weighted labels, at 1 - alpha.
    settings = FinetuneSettings(learning_rate=1e-9, teacher="baseline", alpha=0.75, **ONE_STEP)
    history = finetune(_binary(), _data(BALANCED), settings, teacher=_binary())
    assert history["loss"] == pytest.approx([0.25 * weighted], rel=1e-4)


def test_a_class_that_does_not_occur_counts_one_and_all_together_are_one_on_average():
    table = _tables("balanced")[""]
    assert table.tolist() == pytest.approx([8 / 12, 1, 2])
    assert 6 * table[0] + 2 * table[2] == pytest.approx(8)
    assert _tables("none") == {}
    assert _tables({"2": 5.0})[""].tolist() == [1, 1, 5]


def test_outputs_have_weights_of_their_own():
    split = Split.from_arrays({"x": np.ones((4, 1), np.float32)}, {"a": np.array([0, 1, 1, 1]), "b": np.arange(4.0)})
    tables = weight_tables(
        {"a": "balanced"}, {"a": "multiclass", "b": "regression"}, {"a": 2}, {"a": {0: 1, 1: 3}, "b": {}}
    )
    data = TrainingData(split, split, {"a": "multiclass", "b": "regression"}, seed=1)
    ((_, labels, weights),) = train_batches(data, 4, ["b", "a"], tables=tables)
    assert weights[0].numpy().tolist() == [1, 1, 1, 1]
    np.testing.assert_allclose(weights[1], np.where(labels[1] == 0, 2, 2 / 3), rtol=1e-6)


@pytest.mark.parametrize(
    ("setting", "task", "message"),
    [
        ("balanced", "regression", "must be left out for the task regression"),
        ({"3": 2.0}, "multiclass", "classes from 0 to 2, because the model knows 3 classes, got 3: 2"),
        ({"cat": 2.0}, "multiclass", "got cat: 2"),
        ({"0": "balanced"}, "multiclass", "must give a number to classes from 0 to 2"),
    ],
)
def test_what_fits_no_class_is_refused(setting, task, message):
    with pytest.raises(CompressionError, match=message):
        _tables(setting, task)


def test_an_output_that_there_is_not_is_refused():
    with pytest.raises(CompressionError, match="class_weights of output c must name one of the outputs a, b"):
        weight_tables({"c": "balanced"}, {"a": "binary", "b": "binary"}, {"a": 2, "b": 2}, {})

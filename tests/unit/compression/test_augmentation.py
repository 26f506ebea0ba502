"""The user's own function on train batches: checked first, seeded by batch and epoch, and nowhere else."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from compression.augmentation import augmented, check_augment
from compression.data import Split, TrainingData
from compression.determinism import seed_everything
from compression.errors import CompressionError
from compression.settings import FinetuneSettings, TrainSettings
from compression.training import finetune, train
from compression.training_batches import train_batches

SPLIT = Split.from_arrays({"x": np.zeros((40, 2), np.float32)}, np.arange(40) % 2)


def jitter(features, seed):
    """Adds a number of its own to every value."""
    return {"x": features["x"] + tf.random.stateless_uniform(tf.shape(features["x"]), seed)}


def _model() -> keras.Model:
    seed_everything(1)
    x = keras.Input((2,), name="x")
    return keras.Model(x, keras.layers.Dense(2, activation="softmax", name="head")(x))


def _data(augment=None, seed: int = 1) -> TrainingData:
    return TrainingData(SPLIT, SPLIT, "multiclass", seed=seed, augment=augment)


def _values(batches: tf.data.Dataset) -> list[float]:
    return np.concatenate([features["x"].numpy().ravel() for features, _ in batches]).tolist()


def test_every_batch_of_every_epoch_is_changed_in_its_own_way_and_every_run_alike():
    batches = augmented(SPLIT.batches(8), jitter, seed=3)
    first, second = _values(batches), _values(batches)
    assert len(set(first + second)) == 160
    again = augmented(SPLIT.batches(8), jitter, seed=3)
    assert (_values(again), _values(again)) == (first, second)
    assert _values(augmented(SPLIT.batches(8), jitter, seed=4)) != first
    assert batches.element_spec[0]["x"].shape.as_list() == [None, 2]


@pytest.mark.methods
@pytest.mark.parametrize("tune", [False, True])
def test_the_same_seed_trains_to_the_same_bytes_and_validation_is_left_alone(tune):
    def weights(augment):
        model = _model()
        if tune:
            settings = FinetuneSettings(epochs=1, batch_size=8, teacher="baseline")
            history = finetune(model, _data(augment), settings, teacher=_model())
        else:
            history = train(model, _data(augment), TrainSettings(epochs=1, batch_size=8, learning_rate=1e-9))
            # All features are zero: an untouched validation split knows its loss, ln 2.
            assert history["val_loss"][0] == pytest.approx(np.log(2), rel=1e-5)
        return [values.tobytes() for values in model.get_weights()]

    once = weights(jitter)
    assert weights(jitter) == once
    assert weights(None) != once


def test_a_teacher_answers_what_the_student_sees():
    teacher = _model()
    for features, labels in train_batches(_data(jitter), 8, [""], teacher=teacher, tables={}):
        np.testing.assert_allclose(labels[0][:, 1:], teacher(features["x"]), atol=1e-6)


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (lambda features, seed: features["x"], r"must return the features \['x'\], got \w*Tensor"),
        (lambda features, seed: {"y": features["x"]}, r"must return the features \['x'\], got \['y'\]"),
        (lambda features, seed: {"x": features["x"][:, :1]}, r"must keep x as float32 \[8, 2\], got float32 \[8, 1\]"),
        (lambda features, seed: {"x": tf.cast(features["x"], tf.float64)}, "float64"),
        (lambda features, seed: {"x": features["z"]}, "must change a batch of features, but raised KeyError"),
        (lambda features: features, "but raised TypeError"),
        (
            lambda features, seed: {"x": features["x"] + tf.random.uniform([8, 2])},
            r"the same for the same seed, got two different values of x; draw with tf.random.stateless_uniform",
        ),
        (
            lambda features, seed: {"x": features["x"] + np.float32(np.random.default_rng().uniform())},
            r"the same for the same seed",
        ),
    ],
)
def test_a_function_that_changes_more_than_it_may_is_refused_before_training(augment, message):
    with pytest.raises(CompressionError, match=message):
        check_augment(augment, SPLIT)
    with pytest.raises(CompressionError, match=message):
        train(_model(), _data(augment), TrainSettings(epochs=1))

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from compression import distillation, training
from compression.data import Split, TrainingData
from compression.determinism import seed_everything
from compression.distill import distill
from compression.distillation import DistillationLoss, answered, answering, keeps_answers, soften
from compression.errors import CompressionError
from compression.outputs import SOLE
from compression.settings import DistillSettings, FinetuneSettings, TrainSettings

pytestmark = pytest.mark.methods

layers = keras.layers
TEACH = {"teacher": "baseline", "batch_size": 16}


def test_softening_divides_the_logits():
    logits = np.array([[2.0, -1.0, 0.5]])
    expected = np.exp(logits / 3) / np.exp(logits / 3).sum()
    probabilities = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(soften(tf.constant(probabilities), 3.0), expected, rtol=1e-6)


def test_the_loss_of_classes_by_hand():
    # At temperature 1: KL([.5, .5] || [.8, .2]) = .5 ln(.5/.8) + .5 ln(.5/.2); the label's loss is -ln .8.
    loss = DistillationLoss(keras.losses.SparseCategoricalCrossentropy(), "multiclass", 1.0, 0.25)
    got = loss(tf.constant([[0.0, 0.5, 0.5]]), tf.constant([[0.8, 0.2]]))
    divergence = 0.5 * np.log(0.5 / 0.8) + 0.5 * np.log(0.5 / 0.2)
    assert float(got) == pytest.approx(0.25 * divergence + 0.75 * -np.log(0.8), rel=1e-5)


def test_temperature_softens_both_and_scales_back():
    # At temperature 2, [.8, .2] becomes [2/3, 1/3] (square roots); [.5, .5] stays.
    loss = DistillationLoss(keras.losses.SparseCategoricalCrossentropy(), "multiclass", 2.0, 1.0)
    got = loss(tf.constant([[0.0, 0.5, 0.5]]), tf.constant([[0.8, 0.2]]))
    assert float(got) == pytest.approx(4 * (0.5 * np.log(0.75) + 0.5 * np.log(1.5)), rel=1e-5)


def test_the_loss_of_a_binary_task_is_that_of_two_classes():
    binary = DistillationLoss(keras.losses.BinaryCrossentropy(), "binary", 2.0, 1.0)
    classes = DistillationLoss(keras.losses.SparseCategoricalCrossentropy(), "multiclass", 2.0, 1.0)
    assert float(binary(tf.constant([[1.0, 0.3]]), tf.constant([[0.8]]))) == pytest.approx(
        float(classes(tf.constant([[1.0, 0.3, 0.7]]), tf.constant([[0.8, 0.2]]))), rel=1e-5
    )


def test_the_loss_of_a_regression_by_hand():
    loss = DistillationLoss(keras.losses.MeanSquaredError(), "regression", 1.0, 0.75)
    assert float(loss(tf.constant([[1.0, 3.0]]), tf.constant([[2.0]]))) == pytest.approx(0.75 * 1.0 + 0.25 * 1.0)


def test_the_teachers_answers_ride_along_with_their_own_example(trained, images):
    split = Split.from_arrays({"image": images[0][:50]}, images[1][:50])
    kept = answered(split, trained)
    for batches in (kept.batches(20, shuffle_seed=3), split.batches(20, shuffle_seed=3).map(answering(trained))):
        for features, label in batches:
            answers = trained(features["image"], training=False)
            np.testing.assert_allclose(label[SOLE][:, 1:], answers, atol=1e-6)
            assert label[SOLE].shape[1] == 11
    _, ordered = kept.take_arrays(50)
    np.testing.assert_array_equal(ordered[SOLE][:, 0], images[1][:50])


def test_answers_are_kept_when_they_are_small_and_examples_are_shuffled_as_a_whole(trained, images, monkeypatch):
    split = Split.from_arrays({"image": images[0][:50]}, images[1][:50])
    assert keeps_answers(split, trained)
    assert keeps_answers(split, trained, 2**20)
    assert not keeps_answers(split, trained, 1000)
    monkeypatch.setattr(distillation, "_MOST_KEPT_BYTES", 4 * 50 * 10 - 1)
    assert not keeps_answers(split, trained)


def test_a_taught_student_agrees_more_with_its_teacher(trained, data, build, test_split):
    """A weight of 1 for the teacher: labels count nothing, and still the student learns."""

    def agreement(alpha: float | None) -> float:
        student = build("dense")
        more = {"teacher": "baseline", "alpha": alpha} if alpha else {}
        settings = FinetuneSettings(epochs=6, batch_size=16, learning_rate=3e-3, **more)
        training.finetune(student, data, settings, teacher=trained if alpha else None)
        features, _ = test_split.take_arrays(1000)
        wanted, got = trained(features["image"]).numpy(), student(features["image"]).numpy()
        return float(np.mean(np.abs(wanted - got)))

    assert agreement(1.0) < agreement(None)


def test_every_task_can_be_taught():
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    for task, label, head in (
        ("binary", (x[:, :1] > 0).astype(np.float32), layers.Dense(1, activation="sigmoid")),
        ("regression", x[:, :1], layers.Dense(1)),
    ):
        entry = keras.Input((3,), name="x")
        model = keras.Model(entry, head(entry))
        split = Split.from_arrays({"x": x}, label)
        data = TrainingData(split, split, task, seed=1)
        training.train(model, data, TrainSettings(epochs=20, batch_size=8, learning_rate=0.05))
        student = keras.models.clone_model(model)
        history = training.finetune(
            student, data, FinetuneSettings(epochs=8, learning_rate=0.05, **TEACH), teacher=model
        )
        assert history["loss"][-1] < history["loss"][0]
        assert len([name for name in history if name in ("val_accuracy", "val_mae")]) == 1


def test_a_missing_teacher_and_one_of_another_shape_are_refused(data, build):
    with pytest.raises(CompressionError, match="needs the baseline, got none"):
        training.finetune(build("dense"), data, FinetuneSettings(epochs=1, **TEACH))
    image = keras.Input((8, 8, 1), name="image")
    other = keras.Model(image, layers.Dense(3, activation="softmax")(layers.Flatten()(image)))
    with pytest.raises(CompressionError, match=r"teacher's shape \(3,\), got \(10,\)"):
        training.finetune(build("dense"), data, FinetuneSettings(epochs=1, **TEACH), teacher=other)


def test_the_student_starts_anew_and_reads_known_features(trained, data, build):
    seed_everything(1)
    student = build("dense")
    before = student.get_weights()
    done = distill(student, data, DistillSettings(epochs=1, batch_size=64), teacher=trained)
    for old, now in zip(before, student.get_weights(), strict=True):
        np.testing.assert_array_equal(old, now)
    assert not np.array_equal(before[0], done.get_weights()[0])
    wrong = keras.Input((8, 8, 1), name="picture")
    with pytest.raises(CompressionError, match=r"features that the baseline reads \(image\), got picture"):
        distill(keras.Model(wrong, layers.Flatten()(wrong)), data, DistillSettings(), teacher=trained)

"""Models with several outputs: what digit it is, and whether the digit is odd, from the same image."""

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from compression import keras_models
from compression.audit import audit
from compression.channels.prune_channels import prune_channels
from compression.cluster import cluster
from compression.data import Split, TrainingData
from compression.determinism import seed_everything
from compression.distill import distill
from compression.distillation import answered
from compression.errors import CompressionError
from compression.evaluate import evaluate
from compression.model_outputs import output_names
from compression.predict import TFLitePredictor
from compression.pretrained import load_pretrained
from compression.prune import prune
from compression.qat import quantization_aware
from compression.quantization.outputs import compare
from compression.quantize import convert, max_abs_error, quantize
from compression.settings import (
    ClusterSettings,
    DistillSettings,
    FinetuneSettings,
    PruneChannelsSettings,
    PruneSettings,
    QatSettings,
    QuantizeSettings,
    TrainSettings,
)
from compression.training import finetune, train

pytestmark = pytest.mark.methods

layers = keras.layers
TASKS = {"digit": "multiclass", "parity": "binary"}
METRICS = ("digit/accuracy", "parity/accuracy", "parity/auc")


def two_heads() -> keras.Model:
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv")(image)
    x = layers.Dense(32, activation="relu", name="hidden")(layers.Flatten(name="flat")(layers.MaxPooling2D()(x)))
    digit = layers.Dense(10, activation="softmax", name="digit")(x)
    return keras.Model(image, [digit, layers.Dense(1, activation="sigmoid", name="parity")(x)])


def split_of(images, begin, end):
    digits = images[1][begin:end]
    # In another order than the model's outputs, which must not matter.
    return Split.from_arrays({"image": images[0][begin:end]}, {"parity": digits % 2, "digit": digits})


@pytest.fixture(scope="module")
def pair(images):
    return TrainingData(split_of(images, 0, 600), split_of(images, 600, 900), TASKS, seed=1)


@pytest.fixture(scope="module")
def heads(pair):
    """Both heads trained; tests that change the model take a copy."""
    seed_everything(1)
    model = two_heads()
    train(model, pair, TrainSettings(epochs=6, batch_size=32, learning_rate=5e-3))
    return model


@pytest.fixture(scope="module")
def float_file(heads, pair):
    return convert(heads, QuantizeSettings(mode="float32"), pair.train)


def scores(content, split):
    return {metric: evaluate(TFLitePredictor(content).answers, split, metric, TASKS) for metric in METRICS}


def test_every_output_learns_its_own_label_and_is_reported_by_name(pair):
    seed_everything(1)
    model = two_heads()
    history = train(model, pair, TrainSettings(epochs=2, batch_size=32, learning_rate=5e-3))
    assert {name.removeprefix("val_") for name in history} == {
        "loss", "digit_loss", "parity_loss", "digit_accuracy", "parity_accuracy",
    }  # fmt: skip
    np.testing.assert_allclose(history["val_loss"], np.add(history["val_digit_loss"], history["val_parity_loss"]), 1e-5)
    assert history["val_digit_accuracy"][-1] > 0.5
    assert history["val_parity_accuracy"][-1] > 0.7


def test_the_signature_and_the_file_answer_by_the_outputs_names(heads, float_file, pair, tmp_path):
    keras_models.save(heads, tmp_path / "model")
    features, _ = pair.validation.take_arrays(20)
    serve = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"]
    expected = dict(zip(("digit", "parity"), heads(features["image"], training=False), strict=True))
    served = serve(image=tf.constant(features["image"]))
    answers = TFLitePredictor(float_file).answers(features)
    assert set(served) == set(answers) == {"digit", "parity"}
    for name, values in expected.items():
        np.testing.assert_allclose(served[name], values, atol=1e-5)
        np.testing.assert_allclose(answers[name], values, atol=1e-5)


def test_a_predictor_of_several_outputs_is_not_asked_for_one(float_file, pair):
    predictor = TFLitePredictor(float_file)
    with pytest.raises(CompressionError, match=r"to be asked with `predict`, got digit, parity; use `answers`"):
        predictor.predict(pair.train.take_arrays(1)[0])


def test_metrics_are_those_of_the_named_output(heads, pair):
    def predict(features):
        return dict(zip(("digit", "parity"), (values.numpy() for values in heads(features["image"])), strict=True))

    features, labels = pair.validation.take_arrays(300)
    right = (predict(features)["parity"][:, 0] > 0.5) == labels["parity"]
    assert evaluate(predict, pair.validation, "parity/accuracy", TASKS) == pytest.approx(right.mean())
    with pytest.raises(CompressionError, match=r"must be digit/accuracy, parity/accuracy, got 'accuracy'"):
        evaluate(predict, pair.validation, "accuracy", TASKS)
    with pytest.raises(CompressionError, match=r"task multiclass knows the metrics accuracy, got 'auc'"):
        evaluate(predict, pair.validation, "digit/auc", TASKS)


METHODS = {
    "prune": lambda model, data: cluster(
        prune(model, data, PruneSettings(sparsity=0.5, epochs=2, batch_size=16)), data, ClusterSettings(epochs=0)
    ),
    "qat": lambda model, data: quantization_aware(model, data, QatSettings(epochs=1)),
    "distill": lambda model, data: distill(
        model, data, DistillSettings(student="same", epochs=4, batch_size=16, learning_rate=5e-3), teacher=model
    ),
}


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_both_outputs(method, heads, float_file, pair, tmp_path):
    changed = METHODS[method](keras_models.copy(heads), pair)
    assert output_names(changed) == ["digit", "parity"]
    keras_models.save(changed, tmp_path / "model")
    loaded = keras_models.load(tmp_path / "model")
    keras_models.check_model(loaded, task=TASKS)
    content = convert(loaded, QuantizeSettings(mode="int8", calibration_examples=100), pair.train)
    before, after = scores(float_file, pair.validation), scores(content, pair.validation)
    # A short fine-tuning moves some of 300 images; heads that got each other's labels would lose half of them.
    assert all(after[metric] > before[metric] - 0.1 for metric in METRICS), (before, after)
    if method == "prune":
        assert audit(content).sparsity > 0.45


def test_a_teacher_teaches_every_output(heads, pair):
    features, labels = answered(pair.validation, heads).take_arrays(50)
    digit, parity = heads(features["image"], training=False)
    np.testing.assert_allclose(labels["digit"][:, 1:], digit, atol=1e-6)
    np.testing.assert_allclose(labels["parity"][:, 1:], parity, atol=1e-6)
    np.testing.assert_array_equal(labels["parity"][:, 0], labels["digit"][:, 0] % 2)
    # alpha 1 hides the labels: the parity head, made random, has only the teacher to learn from.
    student = keras_models.copy(heads)
    kernel, bias = student.get_layer("parity").get_weights()
    student.get_layer("parity").set_weights([np.zeros_like(kernel), np.zeros_like(bias)])
    settings = FinetuneSettings(epochs=3, batch_size=32, learning_rate=5e-3, teacher="baseline", alpha=1.0)
    finetune(student, pair, settings, teacher=heads)
    _, learned = student(features["image"], training=False)
    assert np.mean((learned.numpy() > 0.5) == (parity.numpy() > 0.5)) > 0.8


def test_a_student_must_answer_as_its_teacher(heads, pair):
    image = keras.Input((8, 8, 1), name="image")
    flat = layers.Flatten()(image)
    student = keras.Model(image, [layers.Dense(10, name="digit")(flat), layers.Dense(2, name="parity")(flat)])
    with pytest.raises(
        CompressionError, match=r"teacher's shape digit: \(10,\), parity: \(1,\), got .* parity: \(2,\)"
    ):
        finetune(student, pair, FinetuneSettings(teacher="baseline"), teacher=heads)


def test_labels_are_checked_for_every_output(pair):
    labels = {"digit": np.arange(10), "parity": np.arange(10) % 3}
    split = Split.from_arrays({"image": np.zeros((10, 8, 8, 1), np.float32)}, labels)
    with pytest.raises(CompressionError, match=r"of task binary .* got 2 in split train for output parity"):
        train(two_heads(), TrainingData(split, pair.validation, TASKS, seed=1), TrainSettings(epochs=1))


def test_channels_leave_without_a_head_noticing(heads, pair):
    smaller = prune_channels(keras_models.copy(heads), pair, PruneChannelsSettings(ratio=0.25, epochs=1))
    assert output_names(smaller) == ["digit", "parity"]
    assert smaller.count_params() < heads.count_params()
    keras_models.check_model(smaller, task=TASKS)


def test_a_budget_for_the_drop_is_counted_in_one_outputs_metric(heads, pair):
    settings = QuantizeSettings(mode="int8", calibration_examples=100, max_validation_drop=0.5)
    converted = quantize(heads, pair, settings, metric="parity/accuracy")
    found = converted.report["selective"]
    assert found["metric"] == "parity/accuracy"
    assert found["drop_after"] == pytest.approx(
        found["reference"] - scores(converted.content, pair.validation)["parity/accuracy"]
    )


def test_a_pretrained_model_may_have_several_outputs(heads, tmp_path):
    heads.save(tmp_path / "heads.keras")
    keras_models.check_model(load_pretrained(tmp_path / "heads.keras"), task=TASKS)


def test_a_file_that_differs_in_one_output_alone_is_found(heads, float_file, pair):
    other = keras_models.copy(heads)
    kernel, bias = other.get_layer("parity").get_weights()
    other.get_layer("parity").set_weights([kernel, bias + 1])
    assert max_abs_error(heads, float_file, pair.validation, 20) < 1e-5
    assert max_abs_error(other, float_file, pair.validation, 20) > 0.05
    found = compare(other, float_file, "float32", pair.train)
    assert (found.fits, found.output) == (False, "parity")
    assert compare(heads, float_file, "float32", pair.train).fits


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ("multiclass", r"exactly one output, got 2 \(digit, parity\); .* a mapping with these names"),
        (
            {"digit": "multiclass", "odd": "binary"},
            r"the outputs digit, odd, which data.label names, got digit, parity",
        ),
        ({"digit": "multiclass"}, r"the outputs digit, which data.label names, got digit, parity"),
        ({"digit": "binary", "parity": "binary"}, r"shape \(None, 1\), got \(None, 10\) from layer 'digit'"),
        ({"digit": "multiclass", "parity": "multiclass"}, r"with C >= 2 classes, got \(None, 1\) from layer 'parity'"),
    ],
)
def test_outputs_that_do_not_fit_their_tasks(tasks, message):
    keras_models.check_model(two_heads(), task=TASKS)
    with pytest.raises(CompressionError, match=message):
        keras_models.check_model(two_heads(), task=tasks)


def test_the_activation_of_every_output_is_checked():
    image = keras.Input((4,), name="x")
    outputs = [layers.Dense(3, activation="softmax", name="digit")(image), layers.Dense(1, name="parity")(image)]
    with pytest.raises(CompressionError, match=r"must end in sigmoid, got linear in layer 'parity'"):
        keras_models.check_model(keras.Model(image, outputs), task=TASKS)

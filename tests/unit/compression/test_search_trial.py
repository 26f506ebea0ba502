"""One trial of a search on real digits: what is measured before training, what after, and what is not done again."""

import gzip
from dataclasses import replace

import numpy as np
import pytest
import tf_keras as keras

from compression import keras_models
from compression.data import Split, TrainingData
from compression.determinism import seed_everything
from compression.evaluate import evaluate
from compression.predict import TFLitePredictor
from compression.quantization.converter import convert_whole
from compression.quantize import convert
from compression.search.trial import Experiment, Status, Trial, judge, run_trial
from compression.settings import QuantizeSettings, SearchSettings, TrainSettings
from compression.training import train

pytestmark = pytest.mark.methods

TRAIN = TrainSettings(epochs=2, batch_size=32, learning_rate=5e-3)
POINT = {"width": 12}


def build(point):
    """Biases and batch normalization are zeros and ones until they are trained, and then the converter drops some."""
    image = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Flatten(name="flat")(image)
    x = keras.layers.Dense(point["width"], activation="relu", name="hidden")(x)
    x = keras.layers.BatchNormalization(momentum=0.9, name="norm")(x)
    return keras.Model(image, keras.layers.Dense(10, activation="softmax", name="digit")(x))


@pytest.fixture(scope="module")
def untrained(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("untrained")
    seed_everything(1)
    keras_models.save(build(POINT), folder)
    return str(folder)


@pytest.fixture(scope="module")
def experiment(data):
    """`experiment(**settings)`"""

    def make(data=data, **settings):
        return Experiment(lambda names: data, SearchSettings(**settings), TRAIN, "accuracy", seed=1)

    return make


@pytest.fixture(scope="module")
def completed(untrained, experiment) -> Trial:
    return run_trial(untrained, POINT, experiment())


def unlearnable(data: TrainingData) -> TrainingData:
    """The same images with labels that no model knows: whoever trains on them fails."""
    features, label = data.train.take_arrays(100)
    return replace(data, train=Split.from_arrays(features, label + 99))


def test_the_value_and_the_costs_are_those_of_the_trained_and_converted_model(completed, data):
    seed_everything(1)
    model = build(POINT)
    train(model, data, TRAIN)
    content = convert(model, QuantizeSettings(mode="int8"), data.train)
    assert completed.status is Status.COMPLETED
    assert completed.value == evaluate(TFLitePredictor(content).predict, data.validation, "accuracy", "multiclass")
    assert completed.value > 0.2
    assert completed.size_bytes == len(content)
    assert completed.gzip_bytes == len(gzip.compress(content, 9))
    assert completed.macs == 64 * 12 + 12 * 10
    assert (completed.reason, dict(completed.not_measured)) == (None, {})


def test_a_model_over_its_budget_is_not_trained_and_its_size_is_that_of_a_trained_one(
    untrained, experiment, completed, data
):
    limit = completed.size_bytes - 1
    trial = run_trial(untrained, POINT, experiment(unlearnable(data), max_size_bytes=limit, max_macs=887))
    assert trial.status is Status.OVER_BUDGET
    assert (trial.value, trial.gzip_bytes) == (None, None)
    assert (trial.size_bytes, trial.macs) == (completed.size_bytes, completed.macs)
    assert trial.reason == (
        f"the file must have at most {limit:,} bytes, got {completed.size_bytes:,}; "
        "one example must take at most 887 multiply-accumulates, got 888"
    )
    assert "not trained" in trial.not_measured["gzip_bytes"]

    model = keras_models.load(untrained)
    as_it_starts = convert_whole(model, QuantizeSettings(mode="int8", calibration_examples=8), data.train)
    assert len(as_it_starts) < completed.size_bytes, "weights as they start give another size, so they must be moved"


def test_a_trial_depends_on_its_arguments_alone(untrained, experiment, completed):
    np.random.seed(7)
    keras.layers.Dense(3)
    assert run_trial(untrained, POINT, experiment(max_gzip_bytes=completed.gzip_bytes)) == completed


def test_what_goes_wrong_in_a_trial_is_its_reason(untrained, experiment, data):
    trial = run_trial(untrained, POINT, experiment(unlearnable(data)))
    assert (trial.status, trial.value) == (Status.FAILED, None)
    assert trial.reason.startswith("labels of task multiclass must be whole numbers from 0 to 9")


@pytest.mark.parametrize("name", ["size_bytes", "gzip_bytes", "macs"])
def test_other_budgets_judge_a_finished_trial_anew(completed, name):
    value = getattr(completed, name)
    within, beyond = SearchSettings(**{f"max_{name}": value}), SearchSettings(**{f"max_{name}": value - 1})
    assert judge(completed, within) == completed
    over = judge(completed, beyond)
    assert over.status is Status.OVER_BUDGET
    assert f"{value:,}" in over.reason
    assert judge(over, within) == completed


def test_what_a_finished_trial_does_not_answer(completed):
    never_trained = replace(completed, status=Status.OVER_BUDGET, value=None, gzip_bytes=None, reason="too large")
    assert judge(never_trained, SearchSettings(max_size_bytes=completed.size_bytes)) is None
    failed = Trial(POINT, Status.FAILED, reason="it broke")
    assert judge(failed, SearchSettings()) == failed
    uncounted = Trial(POINT, Status.COMPLETED, value=0.5, size_bytes=9, not_measured={"macs": "WHILE: unknown"})
    assert judge(uncounted, SearchSettings(max_size_bytes=9)) == uncounted
    assert judge(uncounted, SearchSettings(max_macs=9)).reason == (
        "max_macs is 9 and must be measured, but was not measured: WHILE: unknown"
    )


def test_a_trial_survives_json(completed):
    over = replace(completed, status=Status.OVER_BUDGET, macs=None, not_measured={"macs": "why"}, reason="too large")
    for trial in (completed, over):
        assert Trial.from_dict(trial.to_dict()) == trial


@pytest.mark.parametrize(("change", "same"), [("copy", True), ("one pixel", False), ("one label", False)])
def test_the_hash_of_examples_is_that_of_their_values(data, change, same):
    features, label = data.train.take_arrays(data.train.size)
    image = features["image"].copy()
    image[3, 4, 4, 0] += change == "one pixel"
    label = label + (np.arange(len(label)) == 7) * (change == "one label")
    changed = replace(data, train=Split.from_arrays({"image": image}, label))
    assert (changed.content_sha256() == data.content_sha256()) is same


def test_the_hash_of_examples_tells_labels_of_several_outputs_apart(data):
    features, label = data.train.take_arrays(50)

    def hashed(**labels):
        split = Split.from_arrays(features, labels)
        return replace(data, train=split, validation=split).content_sha256()

    assert hashed(digit=label, parity=label % 2) == hashed(parity=label % 2, digit=label)
    assert hashed(digit=label, parity=label % 2) != hashed(digit=label % 2, parity=label)

"""Trials in processes of their own, and as files."""

import importlib
from dataclasses import replace

import fsspec
import pytest
import tensorflow as tf
import tf_keras as keras
from sklearn.datasets import load_digits

from components.errors import InputError
from components.trials import Trials, TrialStore
from compression.records import Records, TrainingRecords
from compression.search.trial import Experiment, Status, Trial
from compression.settings import SearchSettings, TrainSettings

POINT = {"width": 8, "biased": False}
FEATURES = {"image": tf.io.FixedLenFeature([64], tf.float32), "label": tf.io.FixedLenFeature([], tf.int64)}


def build(point):
    image = keras.Input((64,), name="image")
    x = keras.layers.Dense(point["width"], activation="relu", use_bias=point["biased"], name="hidden")(image)
    return keras.Model(image, keras.layers.Dense(10, activation="softmax", name="digit")(x))


def never(point):
    raise AssertionError("built")


@pytest.fixture
def store(tmp_path):
    return TrialStore(str(tmp_path / "trials"), {"seed": 1})


@pytest.fixture
def trials(store, tmp_path):
    """`trials(build, **settings)` on a hundred digits in files, which another process can read."""
    path = tmp_path / "digits.gz"
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for pixels, label in zip(*(part[:100] for part in load_digits(return_X_y=True)), strict=True):
            feature = {
                "image": tf.train.Feature(float_list=tf.train.FloatList(value=pixels / 16)),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[int(label)])),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    records = Records((str(path),), FEATURES, "label", "multiclass")

    def make(build, augment=None, **settings):
        read = TrainingRecords(records, records, "multiclass", seed=1, augment=augment).for_features
        train = TrainSettings(epochs=2, learning_rate=0.01)
        return Trials(build, Experiment(read, SearchSettings(mode="float32", **settings), train, "accuracy", 1), store)

    return make


def test_a_finished_trial_is_kept_and_one_that_ran_out_of_time_is_tried_again(trials, store):
    late = trials(build, time_limit_s=0.05).run(POINT)
    assert late.status is Status.FAILED
    assert late.reason.startswith("a trial must be done in 0.05 s, but was not and was ended")
    assert "raise `time_limit_s` of `model.search`" in late.reason
    assert store.get(POINT) is None

    done = trials(build).run(POINT)
    assert (done.status, done.macs) == (Status.COMPLETED, 64 * 8 + 8 * 10)
    assert done.value > 0.2
    assert done.seconds > 0
    assert trials(never).run(POINT) == store.get(POINT) == done

    over = trials(never, max_macs=100).run(POINT)
    assert (over.status, over.value) == (Status.OVER_BUDGET, done.value)
    assert trials(never).run(POINT) == done


@pytest.mark.methods
def test_the_users_function_for_train_batches_reaches_the_process_of_a_trial(trials, tmp_path, monkeypatch):
    (tmp_path / "changing.py").write_text("def augment(features, seed):\n    return {'images': features['image']}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    failed = trials(build, augment=importlib.import_module("changing").augment).run(POINT)
    assert failed.status is Status.FAILED
    assert failed.reason.startswith("augment must return the features ['image'], got ['images']")


def test_a_point_that_cannot_be_built_has_failed_for_good(trials):
    def refuse(point):
        raise InputError("width 8 is not for us")

    refused = trials(refuse).run(POINT)
    assert (refused.status, refused.reason) == (Status.FAILED, "width 8 is not for us")
    assert trials(never).run(POINT) == refused


def test_files_are_whole_or_absent(tmp_path, store):
    kept = Trial(POINT, Status.COMPLETED, value=0.5, not_measured={"macs": "WHILE"})
    store.put(kept)
    assert TrialStore(str(tmp_path / "trials"), {"seed": 1}).get(dict(reversed(POINT.items()))) == kept
    assert TrialStore(str(tmp_path / "trials"), {"seed": 2}).get(POINT) is None
    (path,) = tmp_path.glob("trials/*/*.json")
    # What a process that was killed while it wrote leaves behind.
    path.rename(f"{path}.incoming")
    assert store.get(POINT) is None
    store.put(replace(kept, value=0.6))
    assert store.get(POINT).value == 0.6


def test_trials_on_a_store_are_kept_there():
    files = fsspec.filesystem("memory")
    files.store.clear()
    place = "memory://bucket/root/search/trials"
    store = TrialStore(place, {"seed": 1})
    assert store.get(POINT) is None
    trial = Trial(POINT, Status.FAILED, reason="too large")
    store.put(trial)
    assert TrialStore(place, {"seed": 1}).get(POINT) == trial
    (path,) = files.find("/bucket")
    assert path.startswith("/bucket/root/search/trials/")
    files.store.clear()

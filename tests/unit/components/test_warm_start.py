"""A training that begins with the weights of the champion's float parent, or says loudly why not."""

import json
import logging
import re
from dataclasses import asdict

import numpy as np
import pytest
import tf_keras as keras

from components import warm_start
from components.champion import PARENT_FILE
from compression import keras_models
from compression.data import Split, TrainingData
from compression.determinism import seed_everything
from compression.settings import TrainSettings
from compression.training import train


def build(units=4):
    x = keras.Input((3,), name="x")
    y = keras.layers.Dropout(0.2, seed=1)(keras.layers.Dense(units, activation="relu")(x))
    return keras.Model(x, keras.layers.Dense(2, activation="softmax")(y))


@pytest.fixture
def parent(tmp_path):
    """`parent(units)` writes what `components.champion` emits; returns its serving folder and the model."""

    def make(units=4, *, present=True):
        folder = tmp_path / f"parent-{units}-{present}"
        folder.mkdir()
        note = {"version": 7, "present": present, "reason": "" if present else "/old/trainer/4 is gone"}
        (folder / PARENT_FILE).write_text(json.dumps(note))
        model = build(units)
        if present:
            keras_models.save(model, folder / "Format-Serving")
        return str(folder / "Format-Serving"), model

    return make


def same(one, other):
    return all((a == b).all() for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def test_weights_of_a_model_that_is_built_alike_are_taken(parent):
    folder, champion = parent()
    model = build()
    assert not same(model, champion)
    assert asdict(warm_start.begin(model, folder)) == {"used": True, "version": 7, "reason": ""}
    assert same(model, champion)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"units": 5}, "the champion's model is built otherwise .*units is 4 here, 5 there"),
        ({"present": False}, "/old/trainer/4 is gone"),
    ],
)
def test_otherwise_training_begins_anew_and_says_why(parent, given, said, caplog):
    folder, _ = parent(**given)
    model = build()
    before = model.get_weights()
    with caplog.at_level(logging.WARNING):
        start = warm_start.begin(model, folder)
    assert (start.used, start.version) == (False, 7)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    assert re.search(f"COLD START with champion version 7: .*{said}", caplog.text)


def test_same_seed_and_same_champion_make_the_same_weights(parent):
    folder, champion = parent()
    rng = np.random.default_rng(1)
    split = Split.from_arrays({"x": rng.normal(size=(64, 3)).astype(np.float32)}, rng.integers(0, 2, 64))
    trained = []
    for _ in range(2):
        seed_everything(1)
        model = build()
        assert warm_start.begin(model, folder).used
        train(model, TrainingData(split, split, task="multiclass", seed=1), TrainSettings(epochs=1, batch_size=16))
        trained.append(model)
    assert same(*trained)
    assert not same(trained[0], champion)

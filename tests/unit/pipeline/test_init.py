"""`init`: what it writes suits the data, is valid, and replaces nothing."""

import ast
import json
import sys

import numpy as np
import pytest

from pipeline import cli
from pipeline.data_shape import Feature, image_shape, look_at
from pipeline.datasets import fetch
from pipeline.errors import UserError


@pytest.fixture
def init(tmp_path, monkeypatch, capsys):
    """`init(*argv)`: exit code and what was said; all happens in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    def run(*argv):
        code = cli.main(["init", *argv])
        out, err = capsys.readouterr()
        return code, out + err

    return run


@pytest.fixture
def vectors(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "motion.npz"
    label = rng.integers(0, 3, 40)
    np.savez(path, accel=rng.normal(size=(40, 6)).astype("f4"), speed=rng.normal(size=40), label=label)
    return path


def test_digits_are_images_to_be_read_without_tensorflow(tmp_path):
    fetch("digits", tmp_path / "digits")
    shape = look_at(tmp_path / "digits")
    assert shape.examples == 1797
    assert shape.features["label"] == Feature((), True, 0, 9, 10)
    assert shape.features["image"].high == 16
    assert image_shape(shape.features["image"]) == (8, 8, 1)


@pytest.mark.parametrize(
    ("shape", "whole", "expected"),
    [
        ((32, 32), False, (32, 32, 1)),
        ((96, 96, 3), True, (96, 96, 3)),
        ((3072,), True, (32, 32, 3)),
        ((64,), False, None),
        ((60,), True, None),
        ((), True, None),
        ((128, 6), False, None),
    ],
)
def test_what_may_be_an_image(shape, whole, expected):
    assert image_shape(Feature(shape, whole, 0.0, 255.0, 0)) == expected


@pytest.mark.parametrize(("task", "layer"), [("multiclass", "Dense(3,"), ("regression", "Dense(1,")])
def test_what_it_writes_is_valid(init, vectors, tmp_path, task, layer):
    code, said = init("--data", str(vectors), "--label", "label", "--task", task)
    assert code == 0, said
    module = (tmp_path / "models" / "motion.py").read_text()
    ast.parse(module)
    assert layer in module
    assert '{"accel": 6, "speed": 1}' in module
    text = (tmp_path / "configs" / "motion.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")
    assert (tmp_path / "configs" / "schema.json").is_file()
    assert cli.main(["validate", "configs/motion.yaml"]) == 0


def test_arrays_for_train_and_test(init, tmp_path):
    arrays = {f"{name}_{part}": np.zeros((30, *rest), "u1") for part in ("train", "test") for name, rest in PARTS}
    np.savez(tmp_path / "fashion.npz", **arrays)
    assert init("--data", "fashion.npz", "--label", "y", "--task", "binary", "--name", "clothes")[0] == 0
    text = (tmp_path / "configs" / "clothes.yaml").read_text()
    assert 'arrays: {x: "x_{split}", y: "y_{split}"}' in text
    assert cli.main(["validate", "configs/clothes.yaml"]) == 0


PARTS = (("x", (28, 28)), ("y", ()))


def test_nothing_is_overwritten(init, vectors, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "motion.py").write_text("mine\n")
    code, said = init("--data", str(vectors), "--label", "label", "--task", "multiclass")
    assert code == 2
    assert "models/motion.py is there already" in said
    assert (tmp_path / "models" / "motion.py").read_text() == "mine\n"
    assert not (tmp_path / "configs").exists()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "--label must be given where nobody can be asked"),
        (["--label", "label"], "--task must be given where nobody can be asked, got none"),
        (["--label", "lable", "--task", "binary"], "--label must name features of the data (accel, speed, label)"),
        (["--label", "label", "--task", "binary", "--inputs", "x"], "--inputs must name features of the data"),
    ],
)
def test_refusals(init, vectors, monkeypatch, argv, words):
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115, PTH123
    code, said = init("--data", str(vectors), *argv)
    assert (code, words in said) == (2, True), said


def test_damaged_records_are_named(tmp_path):
    fetch("digits", tmp_path / "digits")
    file = sorted((tmp_path / "digits").glob("*.tfrecord"))[0]
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(UserError, match="ends early"):
        look_at(tmp_path / "digits")


def test_json(init, vectors):
    code, said = init("--data", str(vectors), "--label", "label", "--task", "multiclass", "--json")
    assert code == 0
    assert json.loads(said)["inputs"] == ["accel", "speed"]


def test_a_name_that_cannot_become_a_path_is_refused(init, vectors, tmp_path):
    code, said = init("--data", str(vectors), "--label", "label", "--task", "multiclass", "--name", "../Mine")
    assert code == 2
    assert "--name must be lower-case letters and digits" in said
    assert not (tmp_path / "configs").exists()

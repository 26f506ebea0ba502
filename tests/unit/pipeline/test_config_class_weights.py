"""Weights of classes in the file: by name or number, by output, and where they fit nothing."""

import jsonschema
import pytest

from pipeline.config.class_weights import numbered
from pipeline.config.document import read
from pipeline.config.schema import json_schema

FILE = """\
name: digits
data:
  format: tfrecord
  path: data/digits
  label: LABEL
  label_names: NAMES
model: {module: models.digits, task: TASK}
train: {class_weights: WEIGHTS}
variants: {int8: [quantize: {mode: int8}]}
gate: GATE
"""
RULE = "{metric: accuracy, max_drop: 0.03}"
ONE = {"LABEL": "label", "NAMES": "[cat, dog, cow]", "TASK": "multiclass", "GATE": RULE}
TWO = {
    "LABEL": "{kind: label, weight: mass}",
    "NAMES": "{kind: [cat, dog, cow]}",
    "TASK": "{kind: multiclass, weight: regression}",
    "GATE": "[{output: kind, metric: accuracy, max_drop: 0.03}]",
}


def _file(weights: str, parts: dict[str, str]) -> str:
    text = FILE
    for key, value in (parts | {"WEIGHTS": weights}).items():
        text = text.replace(key, value)
    return text


@pytest.mark.parametrize(
    ("weights", "parts", "found"),
    [
        ("balanced", ONE, "balanced"),
        ('{cat: 2, "2": 0.5}', ONE, {"0": 2.0, "2": 0.5}),
        ("{kind: {dog: 3}}", TWO, {"kind": {"1": 3.0}}),
        ("{kind: balanced}", TWO, {"kind": "balanced"}),
    ],
)
def test_weights_as_they_are_written(configs, weights, parts, found):
    config = configs.load(_file(weights, parts))
    assert numbered(config.train.reading.class_weights, config.data.label_names) == found
    jsonschema.Draft202012Validator(json_schema()).validate(read(configs.path).value)


@pytest.mark.parametrize(
    ("weights", "parts", "fault"),
    [
        ("even", ONE, ': must be one of none, balanced; got "even"'),
        ("{cat: 0}", ONE, ".cat: must be greater than 0; got 0"),
        ("{cat: balanced}", ONE, ".cat: must be a number, because data.label names one output; got balanced"),
        ("{doog: 2}", ONE, ".doog: must be one of the classes cat, dog, cow of data.label_names, or its number; "
         "got doog; did you mean dog?"),
        ('{"3": 2}', ONE, ".3: must be one of the classes cat, dog, cow of data.label_names, or its number; got 3"),
        ('{cat: 2, "0": 3}', ONE, ".cat: must be given once, by name or by number; got cat and 0"),
        ("balanced", ONE | {"TASK": "regression", "NAMES": "null", "GATE": "{metric: rmse, max_drop: 1}"},
         ': must be left out for the task regression; got "balanced"'),
        ("{cat: 2}", ONE | {"NAMES": "null"},
         ".cat: must be the number of a class, because data.label_names gives no names; got cat"),
        ("balanced", TWO, ': must be left out for the task regression of weight; got "balanced"; give a mapping from '
         "each output that has classes to its weights"),
        ("{weight: balanced}", TWO, '.weight: must be left out for the task regression; got "balanced"; remove it'),
        ("{kind: 2}", TWO, ".kind: must be none, balanced or a mapping from class to weight; got 2"),
        ("{kinds: balanced}", TWO, '.kinds: must be one of the outputs kind, weight of data.label; got "kinds"; '
         "did you mean kind?"),
    ],
)  # fmt: skip
def test_weights_that_fit_nothing(configs, weights, parts, fault):
    assert configs.faults(_file(weights, parts)) == [f"8: train.class_weights{fault}"]

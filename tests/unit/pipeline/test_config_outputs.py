"""Several outputs: how they are written, and where sections that do not agree are told so."""

import jsonschema
import pytest

from pipeline.config.document import read
from pipeline.config.schema import json_schema

LABEL = "label: {digit: label, parity: odd}"
TASK = "task: {digit: multiclass, parity: binary}"
GATE = """\
gate:
  - {output: digit, metric: accuracy, max_drop: 0.03}
  - {output: parity, metric: auc, max_drop: 0.02}
"""
FILE = f"""\
name: digits
data:
  format: tfrecord
  path: data/digits
  {LABEL}
model:
  module: models.digits
  {TASK}
variants: {{int8: [quantize: {{mode: int8}}]}}
{GATE}"""
NAMES = LABEL + "\n  label_names: "
FIRST, SECOND = GATE.splitlines()[1:]


def test_outputs_as_they_are_written(configs):
    config = configs.load(FILE.replace(LABEL, NAMES + "{parity: [even, odd]}"))
    assert config.data.labels == {"digit": "label", "parity": "odd"}
    assert config.tasks == {"digit": "multiclass", "parity": "binary"}
    assert config.gate.metric == "digit/accuracy"
    assert [rule.name for rule in config.gate.rules] == ["digit/accuracy", "parity/auc"]
    assert config.data.label_names == {"parity": ("even", "odd")}
    jsonschema.Draft202012Validator(json_schema()).validate(read(configs.path).value)


def test_one_task_may_stand_for_all_outputs(configs):
    config = configs.load(FILE.replace(TASK, "task: binary").replace("{digit: label,", "{digit: large,"))
    assert config.tasks == {"digit": "binary", "parity": "binary"}
    assert configs.load(configs.base).tasks == {"": "multiclass"}
    assert configs.load(configs.base).data.labels == {"": "label"}


def test_one_metric_may_be_judged_for_every_output(configs):
    config = configs.load(FILE.replace("metric: auc", "metric: accuracy"))
    assert [rule.name for rule in config.gate.rules] == ["digit/accuracy", "parity/accuracy"]


@pytest.mark.parametrize(
    ("old", "new", "faults"),
    [
        (LABEL, "label: {digit: label}", [
            '5: data.label: must name at least two outputs; got {"digit": "label"}; '
            "for a model with one output write the feature alone"
        ]),
        (LABEL, "label: {digit: label, parity: 3}", [
            "5: data.label.parity: must be a string; got 3; put it in quotes"
        ]),
        (LABEL, "label: {digit: label, 'a b': odd}", [
            "5: data.label.a b: must be the name of an output, of letters, digits, _ . and -, starting with a letter; "
            'got "a b"',
            '8: model.task: must give the task of a b too; got {"digit": "multiclass", "parity": "binary"}',
            '8: model.task.parity: must be one of the outputs digit, a b of data.label; got "parity"',
            '12: gate[1].output: must be one of the outputs digit, a b of data.label; got "parity"',
        ]),
        (LABEL, "label: label", [
            '8: model.task: must be one task, because data.label names one feature; got {"digit": "multiclass", '
            '"parity": "binary"}; name the outputs in data.label too',
            '11: gate[0].output: must be left out for a model with one output; got "digit"; '
            "name the outputs in data.label to have several",
            '12: gate[1].output: must be left out for a model with one output; got "parity"; '
            "name the outputs in data.label to have several",
        ]),
        (TASK, "task: {digit: multiclass}", [
            '8: model.task: must give the task of parity too; got {"digit": "multiclass"}'
        ]),
        (TASK, "task: {digit: multiclass, party: binary}", [
            '8: model.task: must give the task of parity too; got {"digit": "multiclass", "party": "binary"}',
            '8: model.task.party: must be one of the outputs digit, parity of data.label; got "party"; '
            "did you mean parity?",
        ]),
        (TASK, "task: {digit: multiclass, parity: two}", [
            '8: model.task.parity: must be one of multiclass, binary, regression; got "two"'
        ]),
        (FIRST, "  - {metric: accuracy, max_drop: 0.03}", [
            "11: gate[0]: must say which output it is about, one of digit, parity; got none; add output"
        ]),
        (SECOND, "  - {output: party, metric: auc, max_drop: 0.02}", [
            '12: gate[1].output: must be one of the outputs digit, parity of data.label; got "party"; '
            "did you mean parity?"
        ]),
        (SECOND, "  - {output: digit, metric: auc, max_drop: 0.02}", [
            '12: gate[1].metric: must be one of accuracy for the task multiclass; got "auc"'
        ]),
        (SECOND, "  - {output: digit, metric: accuracy, max_drop: 0.02}", [
            '12: gate[1].metric: must differ from that of every other rule for digit; got "accuracy"; '
            "put all its thresholds and slices into one rule"
        ]),
        (LABEL, NAMES + "[a, b]", [
            "6: data.label_names: must be a mapping from output to names, as data.label is one; "
            'got ["a", "b"]'
        ]),
        (LABEL, NAMES + "{party: [a, b]}", [
            '6: data.label_names.party: must be one of the outputs digit, parity of data.label; got "party"; '
            "did you mean parity?"
        ]),
        (LABEL, NAMES + "{parity: [a, b, c]}", [
            "6: data.label_names.parity: must hold two names for the task binary; got 3 names"
        ]),
        (LABEL, NAMES + "{digit: [a, b, a]}", [
            '6: data.label_names.digit: must name every class differently; got "a" twice'
        ]),
    ],
)  # fmt: skip
def test_faults_of_outputs(configs, old, new, faults):
    assert old in FILE
    assert configs.faults(FILE.replace(old, new)) == faults


def test_every_label_must_be_an_array(configs):
    text = FILE.replace("format: tfrecord", "format: npz").replace(
        LABEL, LABEL + "\n  arrays: {image: x, label: y, ood: z}"
    )
    assert configs.faults(text) == [
        "6: data.arrays: must hold the label odd; got the features image, label, ood; did you mean ood?"
    ]


def test_names_of_one_output_are_a_list(configs):
    text, line = configs.changed("label: label", "label: label\nlabel_names: {digit: [a, b]}")
    (fault,) = configs.faults(text)
    assert fault == f'{line + 1}: data.label_names: must be a list of names; got {{"digit": ["a", "b"]}}'

"""A gate of several rules: how it is written, and what is wrong with it in the words in which the user reads it."""

import jsonschema
import pytest

from pipeline.config.document import read
from pipeline.config.schema import json_schema

TWO = """\
gate:
  - {metric: accuracy, max_drop: 0.03, confidence: 0.9}
  - metric: recall
    max_drop_percent: 5
    slices: [{by: [writer], max_drop: 0.2}]
"""


@pytest.fixture
def with_gate(configs):
    """The base for a binary task, its gate replaced."""

    def text(gate):
        head, rest = configs.base.replace("multiclass", "binary").split("gate:\n")
        return head + gate + rest[rest.index("select:") :]

    return text


def test_rules_as_they_are_written(configs, with_gate):
    gate = configs.load(with_gate(TWO)).gate
    assert [(rule.metric, rule.given()) for rule in gate.rules] == [
        ("accuracy", {"max_drop": 0.03}),
        ("recall", {"max_drop_percent": 5.0}),
    ]
    assert [len(rule.slices) for rule in gate.rules] == [0, 1]
    assert gate.metric == "accuracy"
    assert [rule.confidence for rule in gate.rules] == [0.9, 0.9]
    jsonschema.Draft202012Validator(json_schema()).validate(read(configs.path).value)


def test_a_list_of_one_rule_is_that_rule(configs, with_gate):
    one = configs.load(with_gate("gate: [{metric: accuracy, max_drop: 0.03}]\n"))
    bare = configs.load(with_gate("gate: {metric: accuracy, max_drop: 0.03}\n"))
    assert one.gate.rules == bare.gate.rules
    assert (one.where("gate", 0, "max_drop"), [path for path, _ in one.gate.placed()]) == (
        f"{configs.path}:16: gate[0].max_drop",
        [("gate", 0)],
    )
    assert configs.load(with_gate(TWO)).canonical()["gate"][1]["slices"][0]["by"] == ["writer"]


@pytest.mark.parametrize(
    ("old", "new", "faults"),
    [
        (TWO, "gate: []\n", ["16: gate: must hold at least one rule; got none"]),
        (TWO, "gate: accuracy\n", ['16: gate: must be a mapping; got "accuracy"']),
        ("metric: recall", "accuracy", ['18: gate[1]: must be a mapping; got "accuracy"']),
        ("metric: recall", "metrik: recall", [
            "18: gate[1].metrik: must be one of max_drop, max_drop_percent, min_value, max_value, output, metric, "
            "max_drop_vs_champion, confidence, slices; got the unknown key metrik; did you mean metric?"
        ]),
        ("metric: recall", "metric: rmse", [
            '18: gate[1].metric: must be one of accuracy, auc, precision, recall, f1 for the task binary; got "rmse"'
        ]),
        ("max_drop_percent: 5", "min_value: 0.5", [
            "18: gate[1]: must hold max_drop or max_drop_percent; got neither"
        ]),
        ("metric: recall", "metric: accuracy", [
            '18: gate[1].metric: must differ from that of every other rule; got "accuracy"; '
            "put all its thresholds and slices into one rule"
        ]),
        ("max_drop_percent: 5", "max_drop_percent: 5\n    confidence: 0.99", [
            "20: gate[1].confidence: must be 0.9 as in the rule before, because it holds for the push as a whole; "
            "got 0.99"
        ]),
    ],
)  # fmt: skip
def test_faults_of_rules(configs, with_gate, old, new, faults):
    text = with_gate(TWO)
    assert old in text
    if not new.startswith(("gate", "metri", "max", "min")):
        old, new = TWO[TWO.index("  - metric") :], f"  - {new}\n"
    assert configs.faults(text.replace(old, new)) == faults


def test_faults_of_rules_beside_others(configs, with_gate):
    text = with_gate(TWO.replace("max_drop: 0.03", "max_drop: 3").replace("recall", "rmse")).replace(
        "seed: 1", "seed: a"
    )
    assert configs.faults(text) == [
        '2: seed: must be an integer; got "a"',
        "17: gate[0].max_drop: must be at most 1 for accuracy; got 3.0; for percent of the baseline write "
        "max_drop_percent",
        '18: gate[1].metric: must be one of accuracy, auc, precision, recall, f1 for the task binary; got "rmse"',
    ]

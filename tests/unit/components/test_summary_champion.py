"""What the summary, and the terminal after it, say of the champion."""

import pytest
from tfx.types.standard_artifacts import Model

from components import summary_champion
from components.champion import NO_CHAMPION, Standing
from components.evaluate.verdict import Verdict
from components.outcomes import Outcome
from pipeline.display import _champion, _start

ASKED = {"champion": True, "warm_start": True}


def outcome(not_compared=None, **numbers):
    metrics = {} if not_compared else {"accuracy": {"candidate": 0.9, "champion": 0.92, "drop": 0.02} | numbers}
    champion = {"version": 3, "metrics": metrics, "not_compared": not_compared}
    return Outcome("int8", Model(), verdict=Verdict("passed", 0.95, (), (), {}, champion))


def said(standing, outcomes, facts=ASKED, warm=None):
    """The parts of a summary that the terminal reads."""
    champion = summary_champion.describe(standing, outcomes, "accuracy")
    drops = [outcome.beside_champion("accuracy").get("drop") for outcome in outcomes]
    return {
        "champion": champion,
        "warm_start": warm,
        "not_measured": summary_champion.not_measured(standing, warm, facts, outcomes),
        "selected": "int8",
        "variants": [{"name": "int8", "drop_vs_champion": drop} for drop in drops],
    }


def test_its_value_on_the_new_data_is_told_with_the_drop_of_what_was_selected():
    summary = said(Standing(3), [outcome()])
    assert summary["champion"] == {"version": 3, "metric": "accuracy", "value": 0.92}
    assert "champion.value" not in summary["not_measured"]
    assert _champion(summary) == ["version 3, accuracy 0.9200 on the new data; drop of int8 +0.0200"]


@pytest.mark.parametrize(
    ("standing", "outcomes", "facts", "key", "reason", "line"),
    [
        (Standing(None, reason=NO_CHAMPION), [outcome(NO_CHAMPION)], ASKED, "champion", NO_CHAMPION,
         [f"none: {NO_CHAMPION}, so there was nothing to compare with or to go on from"]),
        (None, [], {}, "champion", "the gate compares with the baseline alone", []),
        (None, [], ASKED, "champion", "the run did not get to it", []),
        (Standing(3), [outcome("a feature is gone")], ASKED, "champion.value", "a feature is gone",
         ["version 3, not compared: a feature is gone"]),
        (Standing(3), [outcome()], {"warm_start": True}, "champion.value", "the gate compares with the baseline alone",
         None),
        (Standing(3), [Outcome("int8", None)], ASKED, "champion.value", "the gate did not report",
         ["version 3, not compared: the gate did not report"]),
    ],
)  # fmt: skip
def test_why_nothing_was_compared_is_told(standing, outcomes, facts, key, reason, line):
    summary = said(standing, outcomes, facts)
    assert summary["not_measured"][key] == reason
    if line is not None:
        assert _champion(summary) == line


def test_how_training_began_is_told():
    cold = {"used": False, "version": 3, "reason": "layer conv: filters is 4 here, 8 there"}
    assert _start({"warm_start": None}) == []
    assert _start({"warm_start": {"used": True, "version": 3, "reason": None}}) == [
        "training went on from the float model of the champion, version 3"
    ]
    assert _start({"warm_start": cold})[0].startswith("COLD START with champion version 3: training began with new")
    assert "warm_start" not in said(Standing(3), [outcome()], warm=cold)["not_measured"]
    assert said(Standing(3), [outcome()], {})["not_measured"]["warm_start"] == "train.warm_start is none"

"""Slices by masks: which rows belong where."""

import numpy as np
import pytest

from components.errors import InputError
from components.evaluate.slices import members
from components.evaluate.spec import GateSpec, Rule, SliceRule

COLUMNS = {
    "sex": np.array([b"f", b"m", b"f", b"", b"m"], object),
    "age": np.array([3, 4, 3, 3, 4]),
    "height": np.array([1.5, np.nan, 1.5, 2.0, 2.0], np.float32),
}


def rows_of(*rules):
    return {key: rows.tolist() for key, rows in members(COLUMNS, 5, rules)}


def test_overall_and_by_feature_and_value():
    assert rows_of(SliceRule()) == {(): [0, 1, 2, 3, 4]}
    # An example without a value belongs to no slice of that column.
    assert rows_of(SliceRule(features=("sex",))) == {(("sex", "f"),): [0, 2], (("sex", "m"),): [1, 4]}
    assert rows_of(SliceRule(features=("height",))) == {(("height", 1.5),): [0, 2], (("height", 2),): [3, 4]}
    assert rows_of(SliceRule(values={"age": 3})) == {(("age", 3),): [0, 2, 3]}
    assert rows_of(SliceRule(features=("sex",), values={"age": 3})) == {(("age", 3), ("sex", "f")): [0, 2]}
    crossed = rows_of(SliceRule(features=("sex", "age")))
    assert crossed == {(("age", 3), ("sex", "f")): [0, 2], (("age", 4), ("sex", "m")): [1, 4]}


def test_a_named_value_without_examples_is_an_empty_slice():
    assert rows_of(SliceRule(values={"sex": "x"})) == {(("sex", "x"),): []}


def test_a_number_written_as_text_is_the_same_slice():
    assert rows_of(SliceRule(values={"age": "3"}), SliceRule(features=("age",))) == {
        (("age", 3),): [0, 2, 3],
        (("age", 4),): [1, 4],
    }
    assert SliceRule(values={"age": "3"}).covers((("age", 3),))
    assert not SliceRule(values={"age": "3"}).covers((("age", 4),))
    assert not SliceRule(features=("age",)).covers(())
    with pytest.raises(InputError, match=r"must be a number where its column holds numbers, got 'old'"):
        rows_of(SliceRule(values={"age": "old"}))


def test_an_identifier_is_no_slice():
    with pytest.raises(InputError, match="makes 1500 slices"):
        list(members({"id": np.arange(1500)}, 1500, [SliceRule(features=("id",))]))


def test_settings_refuse_what_makes_no_sense():
    with pytest.raises(ValueError, match="metric must be one of"):
        Rule(metric="acuracy", max_drop=0.1)
    with pytest.raises(ValueError, match="must hold a threshold"):
        Rule(metric="accuracy")
    with pytest.raises(ValueError, match="task regression knows the metrics mae, rmse"):
        GateSpec(task="regression", label="y", rules=(Rule(metric="accuracy", max_drop=0.1),))
    with pytest.raises(ValueError, match="must name features or values"):
        GateSpec(task="binary", label="y", rules=(), slices=(SliceRule(),))


def test_spec_survives_json():
    spec = GateSpec(
        task="binary",
        label="y",
        rules=(Rule(metric="auc", max_drop=0.01),),
        slices=(SliceRule(features=("a",), values={"b": "x", "c": 2, "d": 0.5}, min_examples=9),),
        variants=5,
    )
    assert GateSpec.model_validate_json(spec.model_dump_json()) == spec
    assert spec.level == pytest.approx(0.99)
    assert spec.columns == ("a", "b", "c", "d")

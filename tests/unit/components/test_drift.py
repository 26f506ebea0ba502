"""Distances between spans: TFDV's numbers against numbers worked by hand, limits in words."""

import json
import math

import pandas as pd
import pytest
import tfx  # noqa: F401 - first: it repairs names that TFMA and TFDV lost

# isort: split
import tensorflow_data_validation as tfdv
from tfx.types import Channel
from tfx.types.standard_artifacts import ExampleAnomalies, Examples, ExampleStatistics, Schema

from components.data_guard import DataGuard
from components.drift import _judged, comparable, distances
from components.drift_report import REPORT_FILE
from components.errors import InputError
from pipeline.config import load
from pipeline.start_nodes import drift_node


def compared(newest: dict, before: dict, categories=(), left_out="") -> dict[str, float]:
    frames = [pd.DataFrame(newest), pd.DataFrame(before)]
    schema = comparable(tfdv.infer_schema(tfdv.generate_statistics_from_dataframe(frames[1])), categories, left_out)
    options = tfdv.StatsOptions(schema=schema)
    made = [tfdv.generate_statistics_from_dataframe(frame, options) for frame in frames]
    return distances(made[0], made[1], schema)


def test_categories_differ_by_the_share_that_changed_most():
    found = compared({"label": [0] * 60 + [1] * 40}, {"label": [0] * 50 + [1] * 50}, categories=["label"])
    assert found == {"label": pytest.approx(0.1)}


def test_numbers_differ_by_the_jensen_shannon_divergence_of_their_histograms():
    # Two values, so two bins that matter: shares (1/4, 3/4) against (3/4, 1/4), their middle (1/2, 1/2).
    found = compared({"x": [0.0] * 25 + [1.0] * 75}, {"x": [0.0] * 75 + [1.0] * 25})
    worked = 0.25 * math.log2(0.25 / 0.5) + 0.75 * math.log2(0.75 / 0.5)
    assert found == {"x": pytest.approx(worked, abs=1e-3)}
    assert worked == pytest.approx(0.1887, abs=1e-4)


def test_the_same_data_do_not_differ():
    values = {"x": [float(number % 7) for number in range(100)], "label": [number % 3 for number in range(100)]}
    assert all(distance < 1e-6 for distance in compared(values, values, categories=["label"]).values())


def test_what_divides_the_splits_is_not_compared(tmp_path):
    newest, before = {"x": [1.0] * 50, "who": ["ann"] * 50}, {"x": [1.0] * 50, "who": ["bob"] * 50}
    assert compared(newest, before)["who"] == pytest.approx(1)
    assert compared(newest, before, left_out="who").keys() == {"x"}
    (tmp_path / "c.yaml").write_text(
        "name: t\ndata: {format: csv, path: d, label: y, group_by: who, guard: {skew: {stop: 0.1}}}\n"
        "model: {module: m, task: binary}\nvariants: {a: [quantize: {mode: int8}]}\n"
        "gate: {metric: accuracy, max_drop: 0.1}\n"
    )
    node = drift_node(load(tmp_path / "c.yaml"), Channel(Examples), Channel(Schema))
    assert node.exec_properties["divides"] == "who"


@pytest.mark.parametrize(
    ("distance", "noticed", "stopped"),
    [(0.05, False, False), (0.1, True, False), (0.3, True, False), (0.31, True, True)],
)
def test_limits(distance, noticed, stopped):
    found = _judged({"x": 0.01, "y": distance}, {"notice": 0.1, "stop": 0.3}, "span 2 against span 1")
    assert (found["feature"], found["noticed"], found["stopped"]) == ("y", noticed, stopped)


def test_the_guard_names_what_changed_too_much(tmp_path):
    anomalies, drift = ExampleAnomalies(), ExampleStatistics()
    anomalies.uri, drift.uri = str(tmp_path / "anomalies"), str(tmp_path / "drift")
    anomalies.split_names = "[]"
    (tmp_path / "drift").mkdir()
    found = _judged({"image": 0.7}, {"notice": None, "stop": 0.3}, "span 2 against span 1")
    (tmp_path / "drift" / REPORT_FILE).write_text(json.dumps({"drift": found, "skew": None, "not_measured": {}}))
    DataGuard.test_call(anomalies=anomalies)
    with pytest.raises(InputError) as caught:
        DataGuard.test_call(anomalies=anomalies, drift=drift)
    assert str(caught.value) == (
        "the drift of the data must be at most data.guard.drift.stop, 0.3, but that of feature 'image' is 0.7 (span 2 "
        "against span 1). Look at the data; if they are right, raise the limit"
    )

"""What the details of a run say of whatever artifacts there are; the integration tests look at real ones."""

import hashlib
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from tensorflow_metadata.proto.v0 import statistics_pb2
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples, ExampleStatistics, Model, ModelEvaluation, ModelRun

from components import fan_in
from components.details import compose, confusion, curves, data_statistics, layers, lineage
from components.evaluate.verdict import Verdict
from components.outcomes import Outcome
from components.progress import heard_by
from components.training_history import TrainingHistory

SCHEMA = json.loads((Path(__file__).parents[3] / "report" / "details_schema.json").read_text())
FACTS = {"metric": "digit/accuracy", "steps": {"int8": ["prune 80%", "quantize int8"]}}
TREE = [
    {"id": "trainer", "kind": "train", "label": "training", "parent": None, "variants": ["int8"]},
    {"id": "prune-1a", "kind": "prune", "label": "prune 80%", "parent": "trainer", "variants": ["int8"]},
    {"id": "quantize-int8", "kind": "quantize", "label": "quantize int8", "parent": "prune-1a", "variants": ["int8"]},
]


def artifact(kind, folder, **files):
    made = kind()
    made.uri = str(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return [made]


def outcome(judged=True, **more):
    return Outcome("int8", None, verdict=Verdict("passed", 0.95, (), (), {}) if judged else None, **more)


def test_a_run_without_artifacts_says_why_each_part_is_empty():
    found = compose.compose({}, {**FACTS, "details": {"config": "name: x", "labels": None, "tree": TREE}})
    jsonschema.validate(found, SCHEMA)
    assert (found["config"], found["higher_is_better"]) == ("name: x", True)
    assert {path: found["not_measured"][path] for path in ("curves.trainer", "curves.prune-1a", "confusion")} == {
        "curves.trainer": "the node did not finish",
        "curves.prune-1a": "the node did not finish",
        "confusion": "no gate reported",
    }
    assert {"layers.baseline", "layers.int8", "statistics"} <= found["not_measured"].keys()
    # A pipeline of one's own may tell nothing of the configuration.
    jsonschema.validate(compose.compose({}, FACTS), SCHEMA)


def test_a_history_keeps_what_it_tells_on():
    told, history = [], TrainingHistory()
    with heard_by(lambda *epoch: told.append(epoch)):
        history(1, 2, {"loss": 0.5, "val_loss": 0.75, "lr": 0.1})
        history(2, 2, {"loss": 0.25, "val_loss": 0.5, "lr": 0.1})
    assert history.series == {"loss": [0.5, 0.25], "val_loss": [0.75, 0.5]}
    assert [(done, planned) for done, planned, _ in told] == [(1, 2), (2, 2)]


def test_every_training_has_its_curve_and_a_step_that_of_its_own(tmp_path):
    reports = [{"step": "distill", "history": {"loss": [9.0]}}, {"step": "prune", "history": {"loss": [1.0, 0.5]}}]
    inputs = {
        "training": artifact(ModelRun, tmp_path / "run", history={"loss": [2.0], "val_mae": [float("nan")]}),
        fan_in.step_key("prune-1a"): artifact(Model, tmp_path / "prune", steps=reports),
    }
    missing = {}
    trainer, prune = curves.collect(inputs, TREE, missing)
    assert (trainer["node"], trainer["epochs"], trainer["series"]) == (
        "trainer",
        [1],
        {"loss": [2.0], "val_mae": [None]},
    )
    assert (prune["node"], prune["epochs"], prune["series"]) == ("prune-1a", [1, 2], {"loss": [1.0, 0.5]})
    assert missing == {}


def test_removing_channels_without_training_has_no_curve_and_says_so(tmp_path):
    inputs = {fan_in.step_key("prune-1a"): artifact(Model, tmp_path, steps=[{"step": "prune_channels", "history": {}}])}
    missing = {}
    assert curves.collect(inputs, TREE[1:], missing) == []
    assert missing == {"curves.prune-1a": "it trained for no epoch"}


@pytest.fixture
def counted(monkeypatch):
    """What a gate stored: outputs `digit` with three classes and `odd` with two."""
    three, two = np.diag([3, 2, 1]), np.array([[4, 1], [0, 5]])
    whole = {
        "candidate": {"digit/confusion_matrix": three, "odd/confusion_matrix": two, "odd/recall": 1.0},
        "baseline": {"digit/confusion_matrix": three.T + 1, "odd/confusion_matrix": two.T},
    }
    monkeypatch.setattr(confusion.tfma_results, "read", lambda uri: {(): whole, (("digit", 3),): {"candidate": {}}})
    return three, two


def test_confusion_matrices_of_several_outputs_bear_their_labels(counted, tmp_path):
    three, two = counted
    inputs = {fan_in.input_key("evaluation", "int8"): artifact(ModelEvaluation, tmp_path)}
    missing = {}
    digit, odd = confusion.collect(inputs, [outcome()], {"odd": ["even", "odd"]}, missing)
    assert (digit["output"], digit["labels"], digit["variants"]) == ("digit", ["0", "1", "2"], {"int8": three.tolist()})
    assert digit["baseline"] == (three.T + 1).tolist()
    assert (odd["labels"], odd["baseline"], odd["variants"]["int8"]) == (["even", "odd"], two.T.tolist(), two.tolist())
    assert missing == {}


def test_a_number_has_no_confusion_matrix(monkeypatch, tmp_path):
    monkeypatch.setattr(confusion.tfma_results, "read", lambda uri: {(): {"candidate": {"rmse": 1.0}, "baseline": {}}})
    inputs = {fan_in.input_key("evaluation", "int8"): artifact(ModelEvaluation, tmp_path)}
    missing = {}
    assert confusion.collect(inputs, [outcome()], None, missing) is None
    assert "at most 100 classes" in missing["confusion"]


def test_layers_of_an_unmeasured_file_say_why():
    weight = {
        "name": "w", "kernels": [["conv", "kernel"]], "op": "CONV_2D", "dtype": "int8", "shape": [1, 2], "elements": 2,
        "size_bytes": 2, "sparsity": 0.5, "distinct": 2, "entropy_bytes": 1,
    }  # fmt: skip
    report = {"step": "quantize", "audit": {"weights": [weight]}, "layer_errors": {"weights": [], "reason": "why"}}
    # The file that ships behind its transform holds other tensors: the model itself is told.
    reports = [report, {"step": "export", "audit": {"weights": []}}]
    (row,) = layers.collect({}, [outcome(reports=reports)], missing := {})["int8"]
    assert row["kernels"] == ["conv/kernel"]
    assert row["error"] == {"weights": None, "output": None, "before": None}
    assert row["not_measured"] == {"weights": "why", "output": "why", "before": "why"}
    assert missing == {"layers.baseline": "there is no file"}


@pytest.fixture
def statistics(tmp_path):
    (made,) = artifact(ExampleStatistics, tmp_path / "statistics")
    made.split_names = artifact_utils.encode_split_names(["eval", "train"])
    stats = statistics_pb2.DatasetFeatureStatisticsList()
    dataset = stats.datasets.add(num_examples=10)
    age = dataset.features.add(type=statistics_pb2.FeatureNameStatistics.FLOAT)
    age.path.step.extend(["age"])
    numbers = age.num_stats
    numbers.common_stats.num_non_missing = 8
    numbers.mean, numbers.std_dev, numbers.min, numbers.max, numbers.num_zeros = 2.0, 0.5, float("-inf"), 3.0, 1
    histogram = numbers.histograms.add(type=statistics_pb2.Histogram.QUANTILES)
    histogram.buckets.add(low_value=9, high_value=9, sample_count=9)
    histogram = numbers.histograms.add(type=statistics_pb2.Histogram.STANDARD)
    histogram.buckets.add(low_value=1, high_value=2, sample_count=3)
    city = dataset.features.add(name="city", type=statistics_pb2.FeatureNameStatistics.STRING)
    city.string_stats.common_stats.num_non_missing = 10
    city.string_stats.unique = 1
    city.string_stats.top_values.add(value="<b>Rome", frequency=10)
    for split in ("train", "eval"):
        folder = tmp_path / "statistics" / f"Split-{split}"
        folder.mkdir()
        (folder / data_statistics.STATISTICS_FILE).write_bytes(stats.SerializeToString())
    return [made]


def test_statistics_are_told_in_short_train_first(statistics):
    train, held_out = data_statistics.collect({"statistics": statistics}, missing := {})
    assert (train["split"], held_out["split"], train["examples"], missing) == ("train", "eval", 10, {})
    age, city = train["features"]
    assert {key: age[key] for key in ("name", "type", "examples_with", "missing", "min", "max", "mean", "zeros")} == {
        "name": "age", "type": "float", "examples_with": 8, "missing": 2,
        "min": None, "max": 3.0, "mean": 2.0, "zeros": 1,
    }  # fmt: skip
    assert age["histogram"] == [[1.0, 2.0, 3.0]]
    assert (city["name"], city["unique"], city["top"], city["mean"]) == ("city", 1, [["<b>Rome", 10]], None)


def test_a_page_lists_not_more_features_than_one_reads(statistics, monkeypatch):
    monkeypatch.setattr(data_statistics, "MOST_FEATURES", 1)
    missing = {}
    train, _ = data_statistics.collect({"statistics": statistics}, missing)
    assert len(train["features"]) == 1
    assert missing["statistics.train.features"] == "the first 1 of 2 are told"


def test_lineage_names_every_artifact_and_the_bytes_of_the_file(tmp_path):
    (model,) = artifact(Model, tmp_path / "model")
    (tmp_path / "model" / "Format-Serving").mkdir()
    (tmp_path / "model" / "Format-Serving" / "tflite").write_bytes(b"TFL3")
    inputs = {
        "examples": artifact(Examples, tmp_path / "examples", window={"spans": [], "files": 3, "notes": {}}),
        "float_model": artifact(Model, tmp_path / "float"),
        "training": artifact(ModelRun, tmp_path / "run", warm_start={"used": True, "version": 2, "reason": ""}),
    }
    found = lineage.collect(inputs, [Outcome("int8", model)], TREE)
    assert (found["files"], found["examples"]) == (3, str(tmp_path / "examples"))
    assert found["warm_start"] == {"used": True, "version": 2, "reason": None}
    assert found["variants"]["int8"] == {
        "nodes": ["trainer", "prune-1a", "quantize-int8"],
        "model": str(tmp_path / "model"),
        "sha256": hashlib.sha256(b"TFL3").hexdigest(),
    }
    assert found["version"] is None

"""Candidate against champion on raw examples, each through its own preprocessing, counted by hand."""

import hashlib
import json
import tempfile

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils
from tfx.types.standard_artifacts import Examples, InferenceResult, Model, TransformGraph

from components import model_artifact
from components.champion import NO_CHAMPION, PARENT_FILE, STANDING_FILE
from components.evaluate import against_champion
from components.evaluate.against_champion import Contest
from components.evaluate.champion_answers import ChampionAnswers, Comparable, read_comparable
from components.evaluate.judge_rows import Judged
from components.evaluate.spec import GateSpec, Rule
from components.evaluate.tally import Tally
from components.evaluate.verdict import Verdict
from compression.statistics.paired import PairedCounts, accuracy_drop_bounds

N = 100
LABELS = np.arange(N) % 2
SPEC = {
    "old": tf.io.FixedLenFeature([2], tf.float32),
    "new": tf.io.FixedLenFeature([2], tf.float32),
    "label": tf.io.FixedLenFeature([1], tf.int64),
}


def wrong_in(*rows):
    """Two scores for each example, sure of the label but for some rows."""
    answers = np.where(np.isin(np.arange(N), rows), 1 - LABELS, LABELS)
    return np.where(np.arange(2) == answers[:, None], 0.95, 0.05).astype(np.float32)


# The champion alone is wrong in two rows, the candidate alone in five, both in three.
OLD, NEW = wrong_in(0, 1, 2, 3, 4), wrong_in(2, 3, 4, 5, 6, 7, 8, 9)
RAW = {"old": OLD, "new": NEW, "label": LABELS.reshape(-1, 1)}


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """Two transforms: what the models are fed is one raw column under the one, another under the other."""
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(SPEC))
    return {column: write_graph(column, metadata, tmp_path_factory.mktemp(column)) for column in ("old", "new")}


def write_graph(column, metadata, folder):
    def preprocess(inputs):
        fed = inputs[column] * 1.0
        return {"answer": fed, "baseline": fed * 1.0, "label": inputs["label"][:, 0]}

    rows = [{name: values[row] for name, values in RAW.items()} for row in range(2)]
    with tft_beam.Context(temp_dir=str(folder / "beam")):
        _, function = (rows, metadata) | tft_beam.AnalyzeAndTransformDataset(preprocess)
        function | tft_beam.WriteTransformFn(str(folder / "graph"))
    metadata_io.write_metadata(metadata, str(folder / "graph" / "metadata"))
    return str(folder / "graph")


class Scene:
    """One gate: transformed examples for it, and the raw ones that they were made of."""

    def __init__(self, bench, graphs, folder):
        self.folder, self.graphs = folder, graphs
        self.bench = bench({"label": LABELS, "answer": NEW, "baseline": NEW})
        self.bench.graph.uri = graphs["new"]
        self.raw = Examples()
        self.raw.uri, self.raw.split_names = str(folder / "raw"), '["eval"]'
        self.write_raw(RAW)

    def write_raw(self, columns):
        split = self.folder / "raw" / "Split-eval"
        split.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(split / "data-0.gz"), "GZIP") as writer:
            for row in range(N):
                made = tf.train.Example()
                for name, values in columns.items():
                    kind = "int64_list" if values.dtype.kind == "i" else "float_list"
                    getattr(made.features.feature[name], kind).value.extend(values[row].ravel().tolist())
                writer.write(made.SerializeToString(deterministic=True))

    def champion(self, graph="old", column="answer", **standing):
        """What `components.champion` emits: a model that answers a column, and a transform."""
        champion, parent = Model(), TransformGraph()
        champion.uri, parent.uri = tempfile.mkdtemp(dir=self.folder), tempfile.mkdtemp(dir=self.folder)
        content = {"version": 3, "sha256": "other", "inputs": "transformed", "label_names": None} | standing
        if content["version"] is not None:
            file = model_artifact.tflite_path(self.bench.model(column)).read_bytes()
            model_artifact.save_tflite(file, champion, [])
        if graph:
            parent.uri = self.graphs[graph]
        note = {"version": content["version"], "present": bool(graph), "reason": "" if graph else "/old/graph is gone"}
        for artifact, name, values in ((champion, STANDING_FILE, content), (parent, PARENT_FILE, note)):
            (self.folder / artifact.uri / name).write_text(json.dumps(values))
        return champion, parent

    def ask(self, champion, parent, label_names=None):
        answers = InferenceResult()
        answers.uri = tempfile.mkdtemp(dir=self.folder)
        ChampionAnswers.test_call(
            examples=self.raw,
            champion=champion,
            transform_graph=parent,
            champion_answers=answers,
            split="eval",
            label_names=json.dumps(label_names),
            code_sha256="",
            beam_pipeline=beam.Pipeline("FnApiRunner"),
        )
        return answers

    def hindrance(self, today=None, **champion):
        """Why the champion's answers are not there; `today` names the classes."""
        return read_comparable(self.ask(*self.champion(**champion), today).uri).reason

    def judge(self, limit, **champion):
        answers = self.ask(*self.champion(**champion))
        return self.bench.gate(told(limit), column="answer", champion_answers=answers, raw_examples=self.raw)


@pytest.fixture
def scene(bench, graphs, tmp_path):
    return Scene(bench, graphs, tmp_path)


def told(limit):
    rule = Rule(metric="accuracy", max_drop=0.5, max_drop_vs_champion=limit)
    return GateSpec(task="multiclass", label="label", rules=(rule,))


def contest(**champion):
    known = {"version": 3, "sha256": "a", "reason": ""} | champion
    return Contest(Comparable(**known), "", "", "", model_uri="", model_sha256="b")


def against(verdict):
    return [check for check in verdict.checks if check.rule == "max_drop_vs_champion"]


def test_each_is_fed_by_its_own_transform_and_counted_by_hand(scene):
    """95 right against 92: the same file, but the champion sees what its own preprocessing makes."""
    verdict = scene.judge(0.2)
    found = verdict.champion["metrics"]["accuracy"]
    assert found.keys() == {"candidate", "champion", "drop", "drop_ci"}
    assert (found["champion"], found["candidate"]) == (0.95, 0.92)
    # Five answers right before and wrong now, two the other way round, of 100.
    assert found["drop"] == pytest.approx((5 - 2) / N)
    bounds = accuracy_drop_bounds(PairedCounts(N, 90, 5, 2), 0.95)
    assert found["drop_ci"] == pytest.approx([bounds.lower, bounds.upper])
    (check,) = against(verdict)
    assert (check.state, check.limit, check.value) == ("passed", 0.2, pytest.approx(0.03))
    assert (verdict.state, scene.bench.blessed) == ("passed", 1)
    assert (verdict.champion["version"], verdict.champion["not_compared"]) == (3, None)


def test_a_worse_candidate_is_blocked_although_it_is_as_good_as_its_baseline(scene):
    scene.write_raw(RAW | {"new": NEW[:, ::-1].copy()})
    verdict = scene.judge(0.04)
    assert [check.state for check in verdict.checks if check.rule == "max_drop"] == ["passed"]
    assert (against(verdict)[0].state, verdict.state, scene.bench.blessed) == ("blocked", "blocked", 0)
    assert "against champion version 3: accuracy may drop by at most 0.04; it drops by 0.87" in verdict.reasons[0]


def test_without_a_champion_nothing_is_held_up_and_that_is_said(scene):
    verdict = scene.judge(0.0, version=None, graph=None, reason=NO_CHAMPION)
    assert (verdict.state, against(verdict), scene.bench.blessed) == ("passed", [], 1)
    assert verdict.champion == {"version": None, "metrics": {}, "not_compared": NO_CHAMPION}


def test_the_champions_own_file_passes_whatever_the_limit(scene):
    file = model_artifact.tflite_path(scene.bench.model("answer")).read_bytes()
    (check,) = against(scene.judge(0.0, graph="new", sha256=hashlib.sha256(file).hexdigest()))
    assert (check.state, check.value, check.upper) == ("passed", 0.0, 0.0)


def test_a_file_with_raw_inputs_needs_no_transform(scene):
    """It is fed the raw column itself."""
    scene.bench.columns["old"] = OLD
    found = scene.judge(0.2, graph=None, column="old", inputs="raw").champion
    assert (found["metrics"]["accuracy"]["champion"], found["not_compared"]) == (0.95, None)


def test_a_feature_that_is_gone_blocks(scene):
    scene.write_raw({name: values for name, values in RAW.items() if name != "old"})
    verdict = scene.judge(0.5)
    (check,) = against(verdict)
    assert (verdict.state, check.state, check.value, scene.bench.blessed) == ("blocked", "blocked", None, 0)
    assert verdict.champion["not_compared"] == (
        "today's examples are not what it takes: Feature: old (data type: float) is required but could not be found."
    )


def test_a_feature_of_another_shape_is_said(scene):
    scene.write_raw(RAW | {"old": np.ones((N, 5), np.float32)})
    assert scene.hindrance() == (
        "today's examples are not what it takes: Key: old, Index: 0.  Number of float values != expected.  "
        "Values size: 5 but output shape: [2]"
    )


def test_what_can_be_told_without_asking_is(scene):
    said = "the preprocessing that its inputs need is not there: /old/graph is gone"
    assert scene.hindrance(graph=None) == said
    assert scene.hindrance(["a", "b"], label_names=["no", "yes"]) == (
        "its classes are ['no', 'yes'], those of data.label_names ['a', 'b']"
    )
    assert scene.hindrance(["a", "b"], label_names=["a", "b"]) == ""


@pytest.mark.parametrize(
    ("limit", "state", "needed"),
    [(0.2, "passed", None), (0.04, "not_enough_data", True), (0.0, "not_enough_data", None)],
)
def test_three_states_as_against_the_baseline(limit, state, needed):
    tally = Tally(examples=N, pairs=PairedCounts(N, 90, 5, 2))
    content = against_champion.conclude(Judged({("", ()): tally}), told(limit).against_champion(), contest())
    (check,) = content["checks"]
    assert (check["rule"], check["state"], check["limit"]) == ("max_drop_vs_champion", state, limit)
    assert (check["needed_examples"] is not None) == bool(needed)
    assert check["reason"].startswith("against champion version 3: accuracy may drop by at most")


def test_a_champion_that_cannot_be_compared_blocks_and_says_how_to_go_on():
    verdict = Verdict("passed", 0.95, (), (), {})
    judged = against_champion.with_champion(verdict, told(0.1), contest(), "its label is another", "")
    assert judged.state == "blocked"
    assert judged.reasons == [
        "the champion, version 3, must answer today's eval examples to be compared with, but its label is another; run "
        "once without gate.max_drop_vs_champion to let a new model take its place, or promote a version that fits "
        "today's data"
    ]


def test_another_number_of_classes_cannot_be_compared(scene):
    champion = Contest(Comparable(3, "a"), scene.ask(*scene.champion()).uri, "", "", "", "b")
    baseline = scene.bench.answers("baseline")
    from components.evaluate.answers import read_index

    (answered,) = read_index(baseline.uri)
    assert champion.missing([answered]) == ""
    answered.widths[""] = 3
    assert champion.missing([answered]) == "it answers 2 numbers for an example, a new model 3 numbers"

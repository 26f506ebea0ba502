"""A story of cycles on real digits in file order: good data push, bad data do not, the champion survives."""

import contextlib
import io
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import tensorflow as tf
import yaml
from sklearn.datasets import load_digits

from components.champion import NO_CHAMPION
from components.ingest import read_facts
from compression.predict import TFLitePredictor
from pipeline.cli import main
from pipeline.cycles.records import Records
from pipeline.tfrecord import write_tfrecord

pytestmark = pytest.mark.integration

SCHEMA = Path(__file__).resolve().parents[2] / "pipeline" / "summary_schema.json"

SPAN = 450
"""Digits of one span: enough for the gate to decide in 30 % of them."""


class Cycles:
    """A pipeline that cycles over spans of the digits.

    Args:
        folder: Holds data, configuration and workspace.
    """

    def __init__(self, folder: Path) -> None:
        self.data, self.path, self.workspace = folder / "data", folder / "edge.yaml", folder / "workspace"
        self.data.mkdir()

    def configure(self, **train: object) -> None:
        content = {
            "name": "cycles",
            "data": {
                "format": "tfrecord",
                "path": str(self.data / "span-{SPAN:2}" / "v{VERSION}"),
                "window": {"spans": 2},
                "eval_on": "newest",
                "label": "label",
                "splits": {"train": 5, "validation": 1, "eval": 4},
            },
            "model": {"module": "models.digits", "task": "multiclass", "hparams": {"filters": 8}},
            "train": {"epochs": 8, "batch_size": 16, "learning_rate": 4e-3, "warm_start": "champion"} | train,
            "variants": {"int8": [{"quantize": {"mode": "int8"}}]},
            "gate": {"metric": "accuracy", "max_drop": 0.1, "min_value": 0.75, "max_drop_vs_champion": 0.15},
            "runtime": {"workspace": str(self.workspace)},
        }
        self.path.write_text(yaml.safe_dump(content, sort_keys=False))

    def put(self, span: int, version: int, *, shuffled: bool = False) -> Path:
        """Writes a version of a span, digits in file order."""
        digits = load_digits()
        rows = slice((span - 1) * SPAN, span * SPAN)
        labels = digits.target[rows]
        if shuffled:
            labels = np.random.default_rng(1).permutation(labels)
        path = self.data / f"span-{span:02d}" / f"v{version}" / "digits.tfrecord"
        path.parent.mkdir(parents=True)
        pairs = zip(digits.data[rows], labels, strict=True)
        write_tfrecord(path, [{"image": list(map(int, image)), "label": [int(label)]} for image, label in pairs])
        return path

    def call(self, *arguments: object) -> tuple[int, dict]:
        """Exit code and JSON of a command."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            code = main([*map(str, arguments), "--json"])
        return code, json.loads(printed.getvalue())

    def eval_examples(self, n_examples: dict[str, int]) -> list[tuple[np.ndarray, int]]:
        """Pixels and labels of the eval split that ingest wrote when there were so many examples."""
        ingested = (self.workspace / "artifacts" / "ingest" / "examples").glob("*")
        (folder,) = [path for path in ingested if read_facts(str(path)).examples == n_examples]
        examples = []
        for path in sorted(folder.glob("Split-eval/*")):
            for record in tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator():
                feature = tf.train.Example.FromString(record).features.feature
                image, (label,) = feature["image"].int64_list.value, feature["label"].int64_list.value
                examples.append((np.array(image), label))
        return examples

    def current(self) -> int:
        return json.loads((self.workspace / "registry" / "current.json").read_text())["version"]


def damage(path: Path) -> None:
    """Flips a byte in the middle of a file, as a bad disk does."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def readable(path: Path) -> int:
    """Records before the first fault."""
    count = 0
    try:
        for _ in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            count += 1
    except tf.errors.DataLossError:
        return count
    return count


@pytest.fixture(scope="module")
def cycles(tmp_path_factory):
    return Cycles(tmp_path_factory.mktemp("cycles"))


@pytest.fixture(scope="module")
def story(cycles):
    """What each cycle said, chapter by chapter, and the registry's current version after it."""
    chapters = {}

    def chapter(name):
        code, said = cycles.call("cycle", cycles.path, "--once")
        chapters[name] = {**said, "code": code, "current": cycles.current()}

    cycles.configure()
    cycles.put(1, version=1)
    chapter("first")
    path = cycles.put(2, version=1)
    assert readable(path) == SPAN
    damage(path)
    assert readable(path) < SPAN
    chapter("damaged")
    chapter("still damaged")
    cycles.put(2, version=2)
    chapter("issued anew")
    cycles.put(3, version=1, shuffled=True)
    chapter("shuffled")
    cycles.put(3, version=2)
    chapter("good again")
    cycles.configure(learning_rate=1e-6, epochs=1, warm_start="none")
    chapter("badly trained")
    return chapters


def gates(chapter):
    (variant,) = chapter["summary"]["variants"]
    return {gate["rule"]: gate["state"] for gate in variant["gates"]}


def test_the_first_cycle_has_nobody_to_compare_with_and_says_so(story):
    summary = story["first"]["summary"]
    assert (summary["status"], summary["pushed"]["version"], summary["champion"]) == ("pushed", 1, None)
    assert summary["warm_start"] == {"used": False, "version": None, "reason": NO_CHAMPION}
    assert summary["not_measured"]["champion"] == NO_CHAMPION
    assert "max_drop_vs_champion" not in gates(story["first"])


def test_a_damaged_span_is_refused_once(story):
    assert (story["damaged"]["code"], story["damaged"]["cycle"]["status"]) == (1, "refused")
    assert "corrupt or truncated" in story["damaged"]["cycle"]["error"]
    again = story["still damaged"]
    assert (again["code"], again["ran"], again["reasons"]) == (
        0,
        False,
        ["nothing new since cycle 2 (its data were refused)"],
    )
    assert again["current"] == 1


def test_a_span_that_is_issued_anew_is_noticed_and_training_goes_on_from_the_champion(story):
    chapter, summary = story["issued anew"], story["issued anew"]["summary"]
    assert chapter["reasons"] == ["span 2 has a new version 2"]
    assert summary["pushed"]["version"] == 2
    assert summary["warm_start"] == {"used": True, "version": 1, "reason": None}
    assert (summary["champion"]["version"], summary["champion"]["metric"]) == (1, "accuracy")
    (variant,) = summary["variants"]
    assert variant["drop_vs_champion"] == pytest.approx(summary["champion"]["value"] - variant["value"])
    low, high = variant["drop_vs_champion_ci"]
    assert low <= variant["drop_vs_champion"] <= high
    assert gates(chapter) == {"max_drop": "passed", "min_value": "passed", "max_drop_vs_champion": "passed"}


def test_the_champions_value_is_what_its_file_answers_to_the_new_data(story, cycles):
    """Counted once more by hand, on the raw eval examples."""
    examples = cycles.eval_examples(story["issued anew"]["summary"]["n_examples"])
    images = np.stack([image for image, _ in examples]).astype(np.float32).reshape(-1, 8, 8, 1) / 16
    model = cycles.workspace / "registry" / "versions" / "1" / "model.tflite"
    answers = TFLitePredictor(model).predict({"image": images}).argmax(axis=1)
    right = np.mean(answers == [label for _, label in examples])
    assert story["issued anew"]["summary"]["champion"]["value"] == pytest.approx(right, abs=1e-9)


def test_labels_that_say_nothing_are_blocked(story):
    """The baseline learns as little from them as the candidate, so it takes `min_value` to see it."""
    assert gates(story["shuffled"])["min_value"] == "blocked"
    assert story["shuffled"]["current"] == 2


def test_a_good_span_pushes(story):
    summary = story["good again"]["summary"]
    assert (summary["pushed"]["version"], summary["champion"]["version"]) == (3, 2)
    spans = summary["spans"]
    assert [(span["span"], span["version"]) for span in spans] == [(2, 2), (3, 2)]
    # The newest judges; what older spans gave the gate is not trained on.
    assert ["eval" in span["examples"] for span in spans] == [False, True]


def test_a_training_that_went_wrong_is_seen_beside_the_champion_alone(story):
    """Candidate and baseline are alike; what is in the field is better."""
    chapter = story["badly trained"]
    assert (gates(chapter)["max_drop"], gates(chapter)["max_drop_vs_champion"]) == ("passed", "blocked")
    (variant,) = chapter["summary"]["variants"]
    assert any(reason.startswith("against champion version 3: ") for reason in variant["reasons"])
    assert chapter["current"] == 3


def test_the_history_tells_the_story(story, cycles):
    told = [
        (record.number, record.status, record.champion, record.pushed_version)
        for record in Records(cycles.workspace / "cycles").all()
    ]
    assert told == [
        (1, "pushed", None, 1),
        (2, "refused", 1, None),
        (3, "pushed", 1, 2),
        (4, "blocked", 2, None),
        (5, "pushed", 2, 3),
        (6, "blocked", 3, None),
    ]
    assert cycles.call("registry", "verify", cycles.path)[0] == 0
    for chapter in story.values():
        if chapter["summary"]:
            jsonschema.validate(chapter["summary"], json.loads(SCHEMA.read_text()))

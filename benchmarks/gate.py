"""The gate beside the stock Evaluator and a bare loop: the same files, the same models, one run.

`stock` is the Evaluator with TFMA's own TFLite extractors; `bare` reads and parses the files and asks LiteRT, and
counts right answers, nothing else. Ours includes slices by label, paired bounds, flips and TFMA's result files.
"""

import os

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
import tfx  # noqa: F401 - repairs names of TFMA's package, so it comes first
from tensorflow_model_analysis.proto import config_pb2
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils
from tfx.components.evaluator import executor as stock_evaluator
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.types.standard_artifacts import (
    Examples,
    InferenceResult,
    Model,
    ModelBlessing,
    ModelEvaluation,
    Schema,
    TransformGraph,
)
from tfx.utils import json_utils, proto_utils

from benchmarks import stock_gate
from benchmarks.results import finish, goal, quick
from components.evaluate.answers import BaselineAnswers
from components.evaluate.gate import SECONDS_FILE, Gate
from components.evaluate.spec import GateSpec, Rule, SliceRule
from compression.data import Split, TrainingData
from compression.predict import TFLitePredictor
from compression.quantize import convert
from compression.settings import QuantizeSettings, TrainSettings
from compression.training import train
from models.fashion_mnist import build_model

SIZES = (10_000,) if quick() else (10_000, 100_000)
SHARDS = 4
REPEATS = 3
GATE = "ours: gate (once per variant)"
ANSWERS = "ours: baseline's answers (once per run)"
# As good as 128, 512 or 1,024 for a loop that asks LiteRT with what it has just read.
BARE_BATCH = 256
FEATURES = {
    "image": tf.io.FixedLenFeature([28, 28, 1], tf.float32),
    "label": tf.io.FixedLenFeature([], tf.int64),
}
ACCURACY = Rule(metric="accuracy", max_drop=0.05)
SPEC = GateSpec(
    task="multiclass",
    label="label",
    rules=(ACCURACY,),
    slices=(SliceRule(features=("label",), rules=(Rule(metric="accuracy", max_drop=0.2),), min_examples=100),),
)


class Bench:
    """A folder with models and examples, as artifacts."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self.examples = _artifact(Examples(), folder / f"examples-{size}")
        self.examples.split_names = '["eval"]'
        self.graph = _artifact(TransformGraph(), folder / "graph")
        self.schema = _artifact(Schema(), folder / "graph" / "transformed_metadata")
        self.candidate = _artifact(Model(), folder / "candidate")
        self.baseline = _artifact(Model(), folder / "baseline")
        self.answers = _artifact(InferenceResult(), folder / f"answers-{size}")
        self.evaluation_folder = folder / f"evaluation-{size}"

    @property
    def split(self) -> Path:
        """Folder of the transformed examples."""
        return Path(self.examples.uri) / "Split-eval"

    def answer(self) -> None:
        """Computes the baseline's answers, as once per run."""
        BaselineAnswers.test_call(
            examples=self.examples,
            transform_graph=self.graph,
            model=self.baseline,
            answers=self.answers,
            split="eval",
            code_sha256="",
            beam_pipeline=beam.Pipeline("FnApiRunner"),
        )

    def gate(self) -> None:
        """Judges the candidate, as once per variant."""
        Gate.test_call(
            examples=self.examples,
            transform_graph=self.graph,
            model=self.candidate,
            baseline=self.answers,
            evaluation=_artifact(ModelEvaluation(), self.evaluation_folder),
            blessing=_artifact(ModelBlessing(), self._folder / "blessing"),
            spec=SPEC.model_dump_json(),
            code_sha256="",
            beam_pipeline=beam.Pipeline("FnApiRunner"),
        )

    def evaluator(self, config: config_pb2.EvalConfig, module_path: str | None) -> None:
        """Runs the stock Evaluator's executor."""
        context = BaseBeamExecutor.Context(beam_pipeline_args=["--runner=FnApiRunner"], tmp_dir=str(self._folder))
        with tempfile.TemporaryDirectory() as folder:
            stock_evaluator.Executor(context).Do(
                {
                    "examples": [self.examples],
                    "model": [self.candidate],
                    "baseline_model": [self.baseline],
                    "schema": [self.schema],
                },
                {
                    "evaluation": [_artifact(ModelEvaluation(), Path(folder) / "evaluation")],
                    "blessing": [_artifact(ModelBlessing(), Path(folder) / "blessing")],
                },
                {
                    "eval_config": proto_utils.proto_to_json(config),
                    "example_splits": json_utils.dumps(["eval"]),
                    "module_path": module_path,
                },
            )

    def bare(self, *models: Model) -> float:
        """Reads, parses, asks, counts; returns the accuracy of the last model."""
        predictors = [
            TFLitePredictor(Path(model.uri) / "Format-Serving" / "tflite", num_threads=os.cpu_count() or 1)
            for model in models
        ]
        files = sorted(str(path) for path in self.split.iterdir())
        records = tf.data.TFRecordDataset(files, compression_type="GZIP").batch(BARE_BATCH)
        parsed = records.map(lambda batch: tf.io.parse_example(batch, FEATURES), num_parallel_calls=tf.data.AUTOTUNE)
        right = seen = 0
        for batch in parsed.prefetch(tf.data.AUTOTUNE).as_numpy_iterator():
            answers = [predictor.predict(batch) for predictor in predictors]
            right += int((answers[-1].argmax(axis=1) == batch["label"]).sum()) if answers else 0
            seen += len(batch["label"])
        return right / seen


def _artifact(artifact: Any, path: Path) -> Any:  # noqa: ANN401 - any kind of artifact
    artifact.uri = str(path)
    artifact.id = 1
    return artifact


def fashion() -> tuple[np.ndarray, np.ndarray]:
    """All images scaled to [0, 1], and their labels; `EDGE_DATA` names the folder or the file."""
    place = Path(os.environ.get("EDGE_DATA", "data"))
    found = [place] if place.is_file() else sorted(place.rglob("fashion_mnist.npz"))
    if not found:
        raise SystemExit(f"fashion_mnist.npz must lie under {place}; put it there or set EDGE_DATA to its folder")
    with np.load(found[0]) as arrays:
        images = np.concatenate([arrays["x_train"], arrays["x_test"]])
        labels = np.concatenate([arrays["y_train"], arrays["y_test"]])
    return (images / np.float32(255)).astype(np.float32)[..., None], labels.astype(np.int64)


def make_models(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """A small network, trained a little, as float and as int8 TFLite."""
    train_split = Split.from_arrays({"image": images[:8000]}, labels[:8000])
    validation = Split.from_arrays({"image": images[8000:9000]}, labels[8000:9000])
    model = build_model({})
    data = TrainingData(train_split, validation, task="multiclass", seed=1)
    train(model, data, TrainSettings(epochs=1, batch_size=64))
    for name, mode in (("baseline", "float32"), ("candidate", "int8")):
        serving = folder / name / "Format-Serving"
        serving.mkdir(parents=True)
        (serving / "tflite").write_bytes(convert(model, QuantizeSettings(mode=mode), train_split))


def make_examples(folder: Path, size: int, images: np.ndarray, labels: np.ndarray) -> None:
    """Gzipped shards of transformed examples; images repeat where there are too few."""
    split = folder / f"examples-{size}" / "Split-eval"
    split.mkdir(parents=True)
    for shard, rows in enumerate(np.array_split(np.arange(size) % len(labels), SHARDS)):
        path = split / f"transformed_examples-{shard:05d}-of-{SHARDS:05d}.gz"
        with tf.io.TFRecordWriter(str(path), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
            for row in rows:
                image = tf.train.Feature(float_list=tf.train.FloatList(value=images[row].ravel()))
                label = tf.train.Feature(int64_list=tf.train.Int64List(value=[labels[row]]))
                features = tf.train.Features(feature={"image": image, "label": label})
                writer.write(tf.train.Example(features=features).SerializeToString())
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(FEATURES))
    metadata_io.write_metadata(metadata, str(folder / "graph" / "transformed_metadata"))


def seconds_of(work: Callable[[], object], times: int = 1) -> float:
    """Wall-clock seconds of the quickest of some calls: what else runs on the machine only ever adds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def measure(folder: Path, size: int) -> dict[str, float]:
    """Seconds of every path at one size."""
    bench = Bench(folder, size)
    seconds = {
        "bare: read and parse": seconds_of(bench.bare, REPEATS),
        "bare: candidate": seconds_of(lambda: bench.bare(bench.candidate), REPEATS),
        "bare: both models": seconds_of(lambda: bench.bare(bench.baseline, bench.candidate), REPEATS),
        ANSWERS: seconds_of(bench.answer, REPEATS),
        GATE: seconds_of(bench.gate, REPEATS),
    }
    parts = json.loads((bench.evaluation_folder / SECONDS_FILE).read_text())
    seconds |= {f"ours: gate, {name}": value for name, value in parts.items()}
    seconds["ours: gate, Beam, merging, bounds, writing"] = max(0.0, seconds[GATE] - sum(parts.values()))
    mixed = stock_gate.eval_config(0.05, baseline_type="tf_generic", with_proof=True)
    stock = stock_gate.eval_config(0.05, baseline_type="tf_lite", with_proof=False)
    extractors = stock_gate.EXTRACTORS_MODULE
    seconds["Evaluator with our extractors"] = seconds_of(lambda: bench.evaluator(mixed, extractors))
    seconds["stock Evaluator"] = seconds_of(lambda: bench.evaluator(stock, None))
    return seconds


def peak_megabytes(folder: Path, size: int) -> float:
    """Peak resident memory of a child that computes answers and judges."""
    command = [sys.executable, "-m", "benchmarks.gate", "--memory-of", str(folder), str(size)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.split()[-1])


def child(folder: str, size: str) -> None:
    """Judges, and prints its own peak memory."""
    bench = Bench(Path(folder), int(size))
    bench.answer()
    bench.gate()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)  # noqa: T201 - the parent reads it


def goals(seconds: dict[int, dict[str, float]], peaks: dict[int, float]) -> list[dict[str, Any]]:
    """What was asked for, at the largest size."""
    largest = seconds[SIZES[-1]]
    answers, judged = largest[ANSWERS], largest[GATE]
    size = f"at {SIZES[-1]:,}"
    return [
        goal(f"times the stock path {size}", largest["stock Evaluator"] / judged, 8, at_least=True),
        goal(
            f"times the stock path {size}, answers included",
            largest["stock Evaluator"] / (answers + judged),
            8,
            at_least=True,
        ),
        goal(f"of the bare loop {size}", largest["bare: candidate"] / judged, 0.8, at_least=True),
        goal(
            f"of the bare loop {size}, both models",
            largest["bare: both models"] / (answers + judged),
            0.8,
            at_least=True,
        ),
        goal("peak memory, largest to smallest size", peaks[SIZES[-1]] / peaks[SIZES[0]], 1.1, at_least=False),
    ]


def main() -> None:
    """Prepares, measures, prints."""
    logging.disable(logging.WARNING)
    images, labels = fashion()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_models(folder, images, labels)
        for size in SIZES:
            make_examples(folder, size, images, labels)
        # Graph building and first calls are paid here, not by the path that happens to come first.
        measure(folder, SIZES[0])
        seconds = {size: measure(folder, size) for size in SIZES}
        peaks = {size: peak_megabytes(folder, size) for size in SIZES}
    rows = [
        {"examples": size, "path": path, "seconds": value, "examples a second": size / value if value else 0.0}
        for size, paths in seconds.items()
        for path, value in paths.items()
    ]
    rows += [
        {"examples": size, "path": "ours: peak MB", "seconds": peak, "examples a second": 0.0}
        for size, peak in peaks.items()
    ]
    finish("gate", rows, goals(seconds, peaks))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory-of"]:
        child(*sys.argv[2:])
    else:
        main()

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
from benchmarks.gate_data import FEATURES, fashion, make_examples, make_models
from benchmarks.results import finish, goal, quick
from components.evaluate.answers import BaselineAnswers
from components.evaluate.gate import SECONDS_FILE, Gate
from components.evaluate.spec import GateSpec, Rule, SliceRule
from compression.predict import TFLitePredictor

SIZES = (10_000,) if quick() else (10_000, 100_000)
REPEATS = 5
RUN = "ours: both, a run of one variant"
STOCK = "stock Evaluator"
BARE = "bare: candidate"
BARE_BOTH = "bare: both models"
EXTRACTORS = "Evaluator with our extractors"
GATE = "ours: gate (once per variant)"
ANSWERS = "ours: baseline's answers (once per run)"
WHOLE = (BARE, BARE_BOTH, GATE, RUN, EXTRACTORS, STOCK)
# As good as 128, 512 or 1,024 for a loop that asks LiteRT with what it has just read.
BARE_BATCH = 256
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


Cost = tuple[float, float]
"""Seconds on the wall and of the processor."""


def cost_of(work: Callable[[], object]) -> Cost:
    """What one call costs."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def cheapest(works: dict[str, Callable[[], object]], times: int) -> dict[str, Cost]:
    """The quickest of some calls of each: what else runs on the machine only ever adds.

    The calls take turns, so that all paths meet the same weather.
    """
    taken: dict[str, list[Cost]] = {name: [] for name in works}
    for _ in range(times):
        for name, work in works.items():
            taken[name].append(cost_of(work))
    return {name: (min(wall for wall, _ in costs), min(cpu for _, cpu in costs)) for name, costs in taken.items()}


def measure(folder: Path, size: int) -> dict[str, Cost]:
    """What every path costs at one size."""
    bench = Bench(folder, size)
    parts: dict[str, list[float]] = {}

    def judge() -> None:
        bench.gate()
        for name, seconds in json.loads((bench.evaluation_folder / SECONDS_FILE).read_text()).items():
            parts.setdefault(name, []).append(seconds)

    works = {
        "bare: read and parse": bench.bare,
        BARE: lambda: bench.bare(bench.candidate),
        BARE_BOTH: lambda: bench.bare(bench.baseline, bench.candidate),
        ANSWERS: bench.answer,
        GATE: judge,
    }
    costs = cheapest(works, REPEATS)
    costs[RUN] = (costs[ANSWERS][0] + costs[GATE][0], costs[ANSWERS][1] + costs[GATE][1])
    least = {name: min(seconds) for name, seconds in parts.items()}
    costs |= {f"ours: gate, {name}": (seconds, float("nan")) for name, seconds in least.items()}
    rest = max(0.0, costs[GATE][0] - sum(least.values()))
    costs["ours: gate, Beam, merging, bounds, writing"] = (rest, float("nan"))
    mixed = stock_gate.eval_config(0.05, baseline_type="tf_generic", with_proof=True)
    stock = stock_gate.eval_config(0.05, baseline_type="tf_lite", with_proof=False)
    costs[EXTRACTORS] = cost_of(lambda: bench.evaluator(mixed, stock_gate.EXTRACTORS_MODULE))
    costs[STOCK] = cost_of(lambda: bench.evaluator(stock, None))
    return costs


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
    status = Path("/proc/self/status")
    if status.exists():
        # `ru_maxrss` would be the parent's: it survives exec.
        (peak,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        print(int(peak) / 1024)  # noqa: T201 - the parent reads it
    else:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)  # noqa: T201 - bytes on macOS


def goals(costs: dict[int, dict[str, Cost]], peaks: dict[int, float]) -> list[dict[str, Any]]:
    """What was asked for, at the largest size."""
    wall, processor = ({path: cost[kind] for path, cost in costs[SIZES[-1]].items()} for kind in (0, 1))
    wanted = [
        ("times the stock path", wall[STOCK] / wall[GATE], 8),
        ("times the stock path, a run of one variant", wall[STOCK] / wall[RUN], 8),
        ("of the bare loop", wall[BARE] / wall[GATE], 0.8),
        ("of the bare loop, processor time", processor[BARE] / processor[GATE], 0.8),
    ]
    made = [goal(f"{name}, at {SIZES[-1]:,}", value, target, at_least=True) for name, value, target in wanted]
    memory = peaks[SIZES[-1]] / peaks[SIZES[0]]
    return [*made, goal("peak memory, largest to smallest size", memory, 1.1, at_least=False)]


def main() -> None:
    """Prepares, measures, prints."""
    logging.disable(logging.WARNING)
    images, labels = fashion()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_models(folder, images, labels)
        for size in SIZES:
            make_examples(folder, size, images, labels)
        # First calls are paid here, not by the path that happens to come first.
        measure(folder, SIZES[0])
        costs = {size: measure(folder, size) for size in SIZES}
        peaks = {size: peak_megabytes(folder, size) for size in SIZES}
    rows = [
        {
            "examples": size,
            "path": path,
            "seconds": wall,
            "processor seconds": None if np.isnan(processor) else processor,
            "examples a second": round(size / wall) if wall else None,
            # Paths that ask two models are measured by the loop that does.
            "of bare": paths[BARE if path in (BARE, GATE) else BARE_BOTH][0] / wall if path in WHOLE else None,
        }
        for size, paths in costs.items()
        for path, (wall, processor) in paths.items()
    ]
    rows += [{"examples": size, "path": "ours: peak MB", "seconds": peak} for size, peak in peaks.items()]
    finish("gate", rows, goals(costs, peaks))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory-of"]:
        child(*sys.argv[2:])
    else:
        main()

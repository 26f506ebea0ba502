"""The nodes that read data on a real Apache Flink, beside the same nodes on this machine.

One Java process holds Beam's job server and a Flink with two slots; Python code runs in a worker pool of its own.
"""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.evaluate.verdict import VERDICT_FILE
from pipeline.runner import State

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.flink

ON_THE_ENGINE = ["ingest", "statistics", "drift", "transform", "baseline-answers", "gate-int8"]


def load_script():
    spec = importlib.util.spec_from_file_location("flink_script", ROOT / "scripts" / "flink.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.fixture(scope="module")
def worker_pool():
    """The address of a pool; it imports while the local run goes on, and is waited for when it is needed."""
    command = [sys.executable, "-m", "components.beam_worker", "--port", "0", "--import", "models.digits"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        yield lambda: re.fullmatch(r"workers at (\S+)\n", process.stdout.readline())[1]
        process.terminate()
        assert process.wait(30) == 0, "it must end when it is told to"


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    script = load_script()
    if script.missing() or script.class_path() is None:
        pytest.skip("there is no job server: make test-flink gets it")
    with script.job_server(tmp_path_factory.mktemp("engine")) as (address, log):
        yield address, lambda: script.finished_jobs(log), log


@pytest.fixture(scope="module")
def runs(engine, worker_pool, make_config, run_here, tmp_path_factory):
    """The artifacts' folders of the run on this machine and of the one on Flink."""
    limits = {"guard": {"skew": {"notice": 0.9}}}
    small = {"train": {"epochs": 1}, "data": limits}
    folders = {}
    for name in ("local", "flink"):
        beam = {}
        if name == "flink":
            options = {"job_endpoint": engine[0], "parallelism": 2, "environment_type": "EXTERNAL"}
            beam = {"beam": {"runner": "flink", "options": {**options, "environment_config": worker_pool()}}}
        folder = tmp_path_factory.mktemp(name)
        finished = run_here(make_config(folder, **small, runtime=beam), end="gate-int8")
        assert not finished.failures
        states = {node["id"]: node["status"] for node in finished.summary["nodes"]}
        assert all(states[node] == State.COMPLETE for node in ON_THE_ENGINE)
        folders[name] = folder / "workspace" / "artifacts"
    return folders


def files(folder: Path, node: str) -> dict[str, bytes]:
    """Contents by path, without the number of the execution."""
    paths = [path for path in sorted((folder / node).rglob("*")) if path.is_file() and "system" not in path.parts]
    return {re.sub(r"/\d+/", "/", str(path.relative_to(folder))): path.read_bytes() for path in paths}


def test_flink_ran_every_node_that_reads_data_two_tasks_at_a_time(engine, runs):
    _, finished, log = engine
    assert list(dict.fromkeys(finished())) == [f"small-{node}" for node in ON_THE_ENGINE]
    assert re.search(r"GroupByKey.*\(2/2\)", log.read_text())


@pytest.mark.parametrize("node", ["ingest", "schema", "data-guard"])
def test_ingest_and_schema_are_the_same_byte_for_byte(runs, node):
    local, flink = (files(folder, node) for folder in runs.values())
    assert flink == local
    assert node == "data-guard" or local


@pytest.mark.parametrize("node", ["statistics", "drift"])
def test_statistics_are_the_same(runs, node):
    def counted(folder: Path) -> dict[str, list[str]]:
        made = {}
        for path in folder.glob(f"{node}/**/FeatureStats.pb"):
            # TFX writes the message itself, TFDV a TFRecord of it; the order of its features is not promised.
            drift = node == "drift"
            content = next(iter(tf.data.TFRecordDataset(str(path)))).numpy() if drift else path.read_bytes()
            (dataset,) = statistics_pb2.DatasetFeatureStatisticsList.FromString(content).datasets
            made[path.parent.name] = sorted(map(str, dataset.features))
        return made

    local, flink = map(counted, runs.values())
    assert len(local) == (3 if node == "statistics" else 2)
    assert flink == local


def test_drift_is_the_same_byte_for_byte(runs):
    local, flink = (next(folder.glob("drift/drift/*/drift.json")).read_bytes() for folder in runs.values())
    assert flink == local


def test_transform_writes_the_same_examples(runs):
    def examples(folder: Path) -> list[str]:
        paths = map(str, folder.glob("transform/transformed_examples/*/Split-*/*.gz"))
        records = tf.data.TFRecordDataset(sorted(paths), compression_type="GZIP")
        # Neither their order nor that of the features in their bytes is promised.
        return sorted(str(tf.train.Example.FromString(record.numpy())) for record in records)

    local, flink = (examples(folder) for folder in runs.values())
    assert len(local) == 1797
    assert flink == local


def test_baseline_and_gate_say_the_same(runs):
    answers, verdicts = [], []
    for folder in runs.values():
        (verdict,) = folder.glob(f"gate-int8/evaluation/*/{VERDICT_FILE}")
        verdicts.append(json.loads(verdict.read_text()))
        answers.append([np.load(path) for path in sorted(folder.glob("baseline-answers/answers/*/*/*.npy"))])
    assert verdicts[0] == verdicts[1]
    for local, flink in zip(*answers, strict=True):
        np.testing.assert_array_equal(flink, local)

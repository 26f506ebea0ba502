"""The main job on real digits: what is pushed, what is cached, what is the same twice."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from components.lineage import tree_sha256
from compression.audit import audit
from compression.edge.golden import verify_golden
from compression.predict import TFLitePredictor
from registry import Registry

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
PRUNE = {"sparsity": 0.5, "epochs": 4, "batch_size": 16}
VARIANTS = {
    "int8": [{"quantize": {"mode": "int8"}}],
    "pruned_int8": [{"prune": PRUNE}, {"quantize": {"mode": "int8"}}],
    "pqat_io": [{"prune": PRUNE}, {"qat": {"epochs": 1}}, {"quantize": {"mode": "int8_io"}}],
}
TRAIN = {"epochs": 8, "batch_size": 16, "learning_rate": 0.004, "early_stopping_patience": 4}


def states(finished):
    return {node["id"]: node["status"] for node in finished.summary["nodes"]}


def ran(finished):
    """Nodes that were executed, but for those that never come from the cache."""
    return {node_id for node_id, state in states(finished).items() if state == "complete"} - {"edge-pusher", "summary"}


def variant(finished, name):
    return next(v for v in finished.summary["variants"] if v["name"] == name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, digits) -> Path:
    folder = tmp_path_factory.mktemp("pipeline")
    shutil.copytree(digits, folder / "digits")
    return folder


@pytest.fixture(scope="module")
def config(folder, make_config) -> Path:
    return make_config(
        folder, data={"path": str(folder / "digits")}, variants=VARIANTS, train=TRAIN, gate={"min_value": 0.8}
    )


@pytest.fixture(scope="module")
def first(config, run_here):
    return run_here(config)


def eval_examples(workspace: Path) -> Iterator[tuple[np.ndarray, int]]:
    """The eval split as ingest wrote it, preprocessed by hand."""
    (path,) = (workspace / "artifacts" / "ingest").glob("examples/*/Split-eval/*")
    for record in tf.data.TFRecordDataset(str(path), "GZIP").as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        image = np.array(feature["image"].int64_list.value, np.float32).reshape(8, 8, 1) / 16
        yield image, feature["label"].int64_list.value[0]


def test_pushes_the_smallest_that_passed(first):
    summary = first.summary
    assert (summary["status"], summary["exit_code"], first.failures) == ("pushed", 0, [])
    passed = [v for v in summary["variants"] if v["status"] == "passed"]
    assert len(passed) >= 2
    assert summary["selected"] == min(passed, key=lambda v: v["gzip_bytes"])["name"]
    jsonschema.validate(summary, json.loads((ROOT / "pipeline" / "summary_schema.json").read_text()))
    assert json.loads(first.summary_path.read_text()) == summary


def test_every_run_leaves_its_page_and_one_over_all(first, folder):
    report = folder / "workspace" / "runs" / first.summary["run_id"] / "report.html"
    assert first.report == report
    assert first.summary["run_id"] in report.read_text()
    index = (folder / "workspace" / "index.html").read_text()
    assert f'href="runs/{report.parent.name}/report.html"' in index
    assert f"version {first.summary['pushed']['version']}" in index
    assert not (report.parent / "progress.json").exists(), "the run is over"


def test_records_are_split_and_none_is_lost(first):
    assert sum(first.summary["n_examples"].values()) == len(load_digits().target)


def test_gate_value_is_what_the_pushed_file_answers(first, folder):
    """The accuracy in the summary, counted once more by hand on the pushed file."""
    summary = first.summary
    images, labels = zip(*eval_examples(folder / "workspace"), strict=True)
    model = Path(summary["pushed"]["path"]) / "model.tflite"
    answers = TFLitePredictor(model).predict({"image": np.stack(images)}).argmax(axis=1)
    assert variant(first, summary["selected"])["value"] == pytest.approx(np.mean(answers == labels), abs=1e-6)
    assert summary["n_examples"]["eval"] == len(labels)


def test_shared_prefix_is_pruned_once(first):
    prunes = [node_id for node_id in states(first) if node_id.startswith("prune-")]
    assert len(prunes) == 1
    for name in ("pruned_int8", "pqat_io"):
        assert variant(first, name)["sparsity"] == pytest.approx(0.5, abs=0.02)
        assert variant(first, name)["gzip_bytes"] < variant(first, "int8")["gzip_bytes"]


def test_edge_check_measures_every_variant(first):
    for v in first.summary["variants"]:
        assert 0 < v["latency_ms"]["p50"] <= v["latency_ms"]["p90"]
        # conv 3x3x1x4 on 8x8, conv 3x3x4x8 on 4x4, dense 32x16 and 16x10, by hand.
        assert v["macs"] == 64 * 9 * 4 + 16 * 36 * 8 + 32 * 16 + 16 * 10
    assert first.summary["baseline"]["latency_ms"]["p50"] > 0


@pytest.fixture(scope="module")
def details(first):
    return read_details(first)


def read_details(finished):
    """What lies beside the summary; it keeps its schema."""
    found = json.loads((finished.summary_path.parent / "details.json").read_text())
    jsonschema.validate(found, json.loads((ROOT / "report" / "details_schema.json").read_text()))
    return found


def test_details_hold_a_curve_of_every_training(first, details):
    by_kind = {node["id"]: node["kind"] for node in details["tree"]}
    assert [by_kind[curve["node"]] for curve in details["curves"]] == ["train", "prune", "qat"]
    trained, pruned, aware = details["curves"]
    assert (len(pruned["epochs"]), len(aware["epochs"]), aware["variants"]) == (4, 1, ["pqat_io"])
    for curve in details["curves"]:
        assert curve["series"].keys() == {"loss", "accuracy", "val_loss", "val_accuracy"}
        assert {len(values) for values in curve["series"].values()} == {len(curve["epochs"])}
    assert max(trained["series"]["val_accuracy"]) > 0.8


def test_details_count_the_answers_that_the_gate_judged(first, details):
    for v in first.summary["variants"]:
        counts = np.array(details["confusion"]["variants"][v["name"]])
        assert counts.sum() == first.summary["n_examples"]["eval"]
        assert np.trace(counts) / counts.sum() == pytest.approx(v["value"], abs=1e-9)
    baseline = np.array(details["confusion"]["baseline"])
    assert np.trace(baseline) / baseline.sum() == pytest.approx(first.summary["baseline"]["value"], abs=1e-9)


def test_details_tell_what_quantization_costs_each_layer(details):
    assert details["layers"].keys() == {"baseline", *VARIANTS}
    kernels = [["conv_1/kernel"], ["conv_2/kernel"], ["hidden/kernel"], ["digit/kernel"]]
    for name, rows in details["layers"].items():
        assert [row["kernels"] for row in rows] == kernels
        if name in ("int8", "pruned_int8"):
            assert all(0.001 < row["error"]["weights"] < 0.05 for row in rows)
        if name != "baseline":
            assert all(0 < row["error"]["output"] < 0.2 for row in rows)
            assert rows[0]["error"]["before"] < rows[1]["error"]["before"]
    assert details["layers"]["baseline"][0]["not_measured"]["weights"] == "it is the float32 file itself"


def test_details_name_data_lineage_and_configuration(first, details, config):
    assert {part["split"]: part["examples"] for part in details["statistics"]} == first.summary["n_examples"]
    assert [feature["name"] for feature in details["statistics"][0]["features"]] == ["image", "label"]
    assert details["config"] == config.read_text()
    lineage, pushed = details["lineage"], first.summary["pushed"]
    assert lineage["version"] == pushed["version"]
    assert lineage["variants"][first.summary["selected"]]["sha256"] == pushed["sha256"]
    assert details["not_measured"] == {}


def test_integer_inputs_and_outputs_reach_the_file(first):
    io = variant(first, "pqat_io")["audit"]
    assert (io["input_dtypes"], io["output_dtypes"], io["float_operators"]) == (["int8"], ["int8"], [])


def test_registry_holds_what_the_summary_says(first, folder):
    pushed, current = first.summary["pushed"], Registry(folder / "workspace" / "registry").current()
    assert (pushed["version"], pushed["sha256"]) == (current.version, current.sha256)
    chosen = variant(first, first.summary["selected"])
    assert current.manifest["gate"]["metrics"]["accuracy"]["candidate"] == chosen["value"]
    assert current.manifest["gate"]["metrics"]["accuracy"]["drop_ci"] == chosen["drop_ci"]
    assert verify_golden(current.model_file, current.path / "golden.npz") == []
    assert current.manifest["lineage"] == {
        name: {"uri": str(path), "sha256": tree_sha256(str(path))}
        for name, node in (("float_model", "trainer/model"), ("transform_graph", "transform/transform_graph"))
        for path in (folder / "workspace" / "artifacts" / node).iterdir()
    }
    assert current.manifest["run_id"] == first.summary["run_id"]
    assert audit(current.model_file.read_bytes()).gzip_bytes == chosen["gzip_bytes"] == current.manifest["gzip_bytes"]


def test_libraries_speak_to_the_log_alone(first):
    """The converter prints this from C++, past everything that Python could redirect."""
    assert "inference_type" in first.log.read_text()


def test_unchanged_run_comes_from_the_cache(first, config, run_here):
    second = run_here(config)
    assert ran(second) == set()
    assert second.summary["pushed"] == first.summary["pushed"]
    values = [(v["name"], v["status"], v["value"]) for v in first.summary["variants"]]
    assert values == [(v["name"], v["status"], v["value"]) for v in second.summary["variants"]]


def test_changed_variant_re_runs_its_own_nodes_alone(first, folder, make_config, run_here):
    changed = VARIANTS | {"pqat_io": [*VARIANTS["pqat_io"][:2], {"quantize": {"mode": "int8"}}]}
    finished = run_here(
        make_config(
            folder, data={"path": str(folder / "digits")}, variants=changed, train=TRAIN, gate={"min_value": 0.8}
        )
    )
    assert ran(finished) == {"quantize-pqat-io", "gate-pqat-io", "edge-pqat-io", "selector"}


def test_data_replaced_in_place_is_read_again(first, folder, config, run_here):
    """Same name, same size, same time stamp: only the content differs."""
    path = next(p for p in sorted((folder / "digits").iterdir()) if not p.name.startswith("_"))
    before = path.stat()
    records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in reversed(records):
            writer.write(record)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    finished = run_here(config, end="ingest")
    assert states(finished)["ingest"] == "complete"


def test_same_seed_same_bytes(first, folder, make_config, run_here, tmp_path, digits):
    """A clean workspace elsewhere: every variant's file is the same byte for byte."""
    finished = run_here(
        make_config(tmp_path, data={"path": str(digits)}, variants=VARIANTS, train=TRAIN, gate={"min_value": 0.8})
    )
    assert ran(finished) >= {"ingest", "trainer", "quantize-pqat-io"}

    def files(workspace):
        return {
            path.parts[len(workspace.parts) + 1]: path.read_bytes()
            for path in sorted(workspace.glob("artifacts/*/compressed/*/Format-Serving/tflite"))
        }

    ours, theirs = files(folder / "workspace"), files(tmp_path / "workspace")
    for node in ("baseline", "quantize-int8", "quantize-pruned-int8"):
        assert ours[node] == theirs[node]
    pushed = Path(finished.summary["pushed"]["path"]) / "model.tflite"
    assert pushed.read_bytes() == (Path(first.summary["pushed"]["path"]) / "model.tflite").read_bytes()


def test_steps_never_touch_the_eval_split(make_config, run_here, tmp_path):
    """Everything up to the conversions succeeds although the eval files are gone."""
    config = make_config(tmp_path, variants={"pqat_io": VARIANTS["pqat_io"]})
    run_here(config, end="transform")
    removed = list((tmp_path / "workspace" / "artifacts").glob("*/*/*/Split-eval/*.gz"))
    assert {path.relative_to(tmp_path).parts[2] for path in removed} == {"ingest", "transform"}
    for path in removed:
        path.unlink()
    finished = run_here(config, end="quantize-pqat-io")
    assert ran(finished) > {"trainer", "quantize-pqat-io"}
    # A run that ends before its summary node tells as much as it got to.
    ended = read_details(finished)
    assert ended["curves"][0]["node"] == "trainer"
    assert len(ended["curves"]) == 3
    assert len(ended["layers"]["pqat_io"]) == 4
    assert ended["statistics"][0]["split"] == "train"
    assert (ended["confusion"], ended["not_measured"]["confusion"]) == (None, "no gate reported")
    assert "failed" not in states(finished).values()

"""The warning that no variant can pass, before anything runs."""

import itertools
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from compression.settings.metrics import METRICS
from compression.statistics.decision import per_variant_confidence
from compression.statistics.power import smallest_passing_n
from pipeline import edge_preflight
from pipeline.preflight import warnings
from pipeline.sufficiency import eval_examples, surely_enough
from pipeline.tfrecord import write_tfrecord

MAX_DROP = "max_drop: 0.03"


@pytest.fixture
def project(configs, tmp_path, monkeypatch):
    """`warned(changes, records)`: warnings of the base configuration, changed, without the file's name."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "digits"
    folder.mkdir(parents=True)

    def warned(*changes, records=1000):
        write_tfrecord(folder / "a", ({"label": [i % 10]} for i in range(records)))
        text = configs.base
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        return [line.removeprefix(f"{configs.path}:") for line in warnings(configs.load(text))]

    return warned


def test_enough(project):
    assert project() == []


def test_too_few(project):
    # The first n with which the exact bound of no difference, at 97.5 % for each of two variants, is at most 0.03.
    least = smallest_passing_n(0.03, 0.95, 2)
    assert project(records=300) == [
        f"18: gate.max_drop: the eval split must hold at least {least} examples for one of 2 variants to pass at "
        "confidence 0.95, even if it answers just as the baseline; it holds about 90. Give eval a larger share of the "
        "data, collect more, allow a larger drop or try fewer variants"
    ]
    assert project(records=10 * -(-least // 3)) == []


@pytest.mark.parametrize(
    ("changes", "line", "key", "said"),
    [
        ([(MAX_DROP, "max_drop_percent: 3")], 18, "gate.max_drop_percent", "(more where the baseline's value is below"),
        ([(MAX_DROP, "max_drop: 0.03\n  confidence: 0.99")], 18, "gate.max_drop", "pass at confidence 0.99"),
        ([(MAX_DROP, "max_drop: 0.9\n  slices: [{by: [a], max_drop: 0.01}]")], 19, "gate.slices[0].max_drop",
         "every slice that it makes must hold at least"),
        ([(MAX_DROP, MAX_DROP), ("accuracy", "recall"), ("multiclass", "binary")], 18, "gate.max_drop",
         "examples with label 1 for"),
        ([("accuracy", "rmse"), ("multiclass", "regression")], 18, "gate.max_drop", "at least 50 examples for"),
        ([("gate:\n  metric: accuracy\n  max_drop: 0.03\n",
           "gate:\n  - {metric: auc, max_drop: 1}\n  - {metric: recall, max_drop: 0.03}\n"),
          ("multiclass", "binary")], 18, "gate[1].max_drop", "examples with label 1 for"),
    ],
)  # fmt: skip
def test_which_rule_and_of_what(project, changes, line, key, said):
    records = 100 if "rmse" in str(changes) else 300
    (warning,) = project(*changes, records=records)
    assert warning.startswith(f"{line}: {key}: ")
    assert said in warning


def test_a_drop_of_nothing(project):
    (warning,) = project((MAX_DROP, "max_drop: 0"))
    assert warning.startswith("18: gate.max_drop: must be above 0 for a variant that answers just as the baseline")
    assert project((MAX_DROP, "max_drop: 0"), ("accuracy", "mae"), ("multiclass", "regression")) == []


def test_slices_that_are_only_reported_ask_for_nothing(project):
    assert project((MAX_DROP, "max_drop: 0.03\n  slices: [{by: [a]}, {where: {a: 1}, min_value: 0.5}]")) == []


def test_data_that_cannot_be_counted_are_for_ingest_to_judge(project, tmp_path):
    (tmp_path / "data" / "digits" / "b").write_bytes(b"rot")
    assert project(records=10) == []


def test_shares_of_sources(configs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "d.npz", x_a=np.zeros([90, 2]), y_a=np.zeros(90), x_b=np.zeros([7, 2]), y_b=np.zeros(7))
    old = "  format: tfrecord\n  path: data/digits\n  label: label\n  splits: {train: 6, validation: 1, eval: 3}\n"
    new = '  format: npz\n  path: d.npz\n  label: y\n  arrays: {x: "x_{split}", y: "y_{split}"}\n  splits: '
    b_of = {
        "{train: {from: a, buckets: 8}, validation: {from: a, buckets: 1}, eval: b}": 7,
        "{train: {from: a, buckets: 6}, eval: {from: a, buckets: 3}, validation: b}": 30,
    }
    for splits, expected in b_of.items():
        assert eval_examples(configs.load(configs.base.replace(old, f"{new}{splits}\n")), 10**9) == expected


@pytest.mark.parametrize("form", ["csv", "parquet", "images", "audio"])
def test_rows_and_files_are_counted_too(configs, tmp_path, monkeypatch, form):
    monkeypatch.chdir(tmp_path)
    options = {"images": "{height: 4, width: 4}", "audio": "{sample_rate: 8, samples: 8}"}
    if form in options:
        for name in ("one", "two"):
            (tmp_path / "d" / "held" / name).mkdir(parents=True)
            for number in range(10):
                (tmp_path / "d" / "held" / name / f"{number}.{'png' if form == 'images' else 'wav'}").touch()
    else:
        (tmp_path / "d" / "held").mkdir(parents=True)
        table = pa.table({"y": list(range(20))})
        write = {"csv": csv.write_csv, "parquet": pq.write_table}[form]
        write(table, tmp_path / "d" / "held" / "a")
    old = "  format: tfrecord\n  path: data/digits\n  label: label\n  splits: {train: 6, validation: 1, eval: 3}\n"
    new = f"  format: {form}\n  path: d\n  label: y\n"
    new += f"  {form}: {options[form]}\n" if form in options else ""
    sources = "  splits: {train: t, validation: {from: held, buckets: 2}, eval: {from: held, buckets: 3}}\n"
    assert eval_examples(configs.load(configs.base.replace(old, new + sources)), 10**9) == 12


def test_the_quick_bound_is_never_too_low():
    drops, confidences, variants = (0.0005, 0.003, 0.01, 0.05, 0.3, 0.99, 1.5), (0.51, 0.9, 0.999), (1, 8, 40)
    for metric, drop, confidence, m in itertools.product(METRICS, drops, confidences, variants):
        least = smallest_passing_n(drop, confidence, m, metric)
        assert least is not None
        assert least <= surely_enough(drop, per_variant_confidence(confidence, m), metric), (metric, drop, confidence)


def test_a_tool_that_is_absent_is_told_where_a_budget_needs_it(project, monkeypatch):
    section = ("select: smallest", "select: smallest\nedge: {profile: ethos-u, max_arena_bytes: 9, max_latency_ms: 1}")
    monkeypatch.setattr(edge_preflight, "_has_tool", lambda device: False)
    assert project(section) == [
        f"20: edge.{name}: must be measured by the tool of profile ethos-u, which is not installed here: every variant "
        "would be blocked; install it with `make setup EXTRAS=devices`"
        for name in ("max_arena_bytes", "max_latency_ms")
    ]
    assert project(("select: smallest", "select: smallest\nedge: {profile: ethos-u, max_size_bytes: 9}")) == []
    monkeypatch.setattr(edge_preflight, "_has_tool", lambda device: True)
    assert project(section) == []


def test_what_the_devices_cannot_measure_is_in_the_tables(monkeypatch):
    from compression.edge import devices
    from compression.edge.budgets import MEASURES
    from compression.edge.profile import load_profile, profile_names

    monkeypatch.setattr(devices.tflite_micro, "installed", lambda: False)
    monkeypatch.setattr(devices.vela, "command", lambda: None)
    profiles = [load_profile(name) for name in profile_names()]
    results = {"structure": {"arena_bytes": 1}, "latency": {"p90_ms": 1.0}}
    for profile in profiles:
        job = devices.Job(b"", None, profile, results, 1.0)
        missing = devices.DEVICES[profile.device](job).not_measured
        lost = {budget for budget, (field, _) in MEASURES.items() if field in missing}
        never, tool = edge_preflight.NEVER_MEASURED[profile.device], edge_preflight.NEED_THE_TOOL[profile.device]
        assert lost == {*never, *tool}
    assert {profile.device for profile in profiles} == edge_preflight.NEVER_MEASURED.keys()


def test_nothing_heavy_is_brought_when_there_is_enough(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "compression.statistics.power", None)
    assert project(records=10_000) == []

"""Counts and sums by hand-worked numbers; they do not know order nor shards; values agree with tf_keras."""

import numpy as np
import pytest
import tf_keras

from components.errors import InputError
from components.evaluate.measures import measure
from components.evaluate.spec import GateSpec
from components.evaluate.tally import Tally, add, add_batch, compare, merge
from compression.settings.metrics import METRICS
from compression.statistics.weights import mix

TASKS = {
    "multiclass": ("accuracy",),
    "binary": ("accuracy", "auc", "precision", "recall"),
    "regression": ("rmse", "mae"),
}


def spec_of(task, *metrics):
    return GateSpec(task=task, label="y", rules=(), metrics=metrics or TASKS[task])


def tally_of(spec, label, baseline, candidate, rows=None):
    label = np.asarray(label)
    ids = mix(np.arange(len(label), dtype=np.uint64))
    tally = Tally()
    answers = compare(spec, label, np.asarray(baseline, np.float32), np.asarray(candidate, np.float32), ids)
    add(spec, tally, answers, np.arange(len(label)) if rows is None else rows)
    return tally


def random_case(task, size=300, seed=3):
    random = np.random.default_rng(seed)
    if task == "multiclass":
        label, tables = random.integers(0, 4, size), random.random((2, size, 4))
        tables[:, np.arange(size), label] += 0.5
        return label, *(tables / tables.sum(axis=2, keepdims=True)).astype(np.float32)
    if task == "binary":
        label = random.integers(0, 2, size)
        return label, *np.clip(0.3 + 0.4 * label + random.normal(0, 0.2, (2, size)), 0, 1).astype(np.float32)
    label = random.normal(size=size).astype(np.float32)
    return label, *(label + random.normal(0, 0.3, (2, size))).astype(np.float32)


def test_multiclass_by_hand():
    label = [0, 1, 2, 1]
    baseline = [[0.9, 0.1, 0], [0.2, 0.7, 0.1], [0.5, 0.2, 0.3], [0.1, 0.8, 0.1]]  # right right wrong right
    candidate = [[0.9, 0.1, 0], [0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.1, 0.8, 0.1]]  # right wrong right right
    tally = tally_of(spec_of("multiclass"), label, baseline, candidate)
    pairs = tally.pairs
    assert (pairs.n, pairs.both, pairs.baseline_only, pairs.candidate_only) == (4, 2, 1, 1)
    assert tally.confusion[0].tolist() == [[1, 0, 0], [0, 2, 0], [1, 0, 0]]
    assert tally.confusion[1].tolist() == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    measured = measure(("accuracy",), tally, 0.95)
    assert (measured.candidate["accuracy"], measured.baseline["accuracy"]) == (0.75, 0.75)
    assert measured.candidate["accuracy_drop"] == 0
    assert measured.candidate["accuracy_drop_upper"] > 0.3


def test_regression_by_hand():
    tally = tally_of(spec_of("regression"), [0.0, 0.0], [[1.0], [1.0]], [[3.0], [-4.0]])
    measured = measure(("rmse", "mae"), tally, 0.95)
    assert measured.candidate["rmse"] == pytest.approx(np.sqrt(12.5))
    assert measured.candidate["mae"] == pytest.approx(3.5)
    assert measured.candidate["mae_drop"] == pytest.approx(2.5)
    assert measured.candidate["mae_drop_upper"] == np.inf  # two examples bound nothing
    assert tally.confusion is None


def test_what_is_not_finite_counts_as_wrong_and_is_counted():
    label = [0, 1, 1]
    candidate = [[np.nan, 0.1], [0.2, np.inf], [0.1, 0.9]]
    tally = tally_of(spec_of("multiclass"), label, [[0.9, 0.1]] * 3, candidate)
    assert tally.invalid.tolist() == [0, 2]
    assert tally.pairs.baseline_only == 1
    assert tally.confusion[1].sum() == 1


@pytest.mark.parametrize("task", TASKS)
def test_values_agree_with_keras(task):
    spec = spec_of(task)
    label, baseline, candidate = random_case(task)
    measured = measure(spec.all_metrics, tally_of(spec, label, baseline, candidate), 0.95)
    for metric in spec.all_metrics:
        reference = getattr(tf_keras.metrics, METRICS[metric].class_names[task])()
        reference.update_state(label.reshape(-1, 1), candidate.reshape(len(label), -1))
        # Keras reads the AUC from 200 thresholds, we from 1,024 bins; the rest differs by float32 sums alone.
        tolerance = 2e-3 if metric == "auc" else 1e-5
        assert measured.candidate[metric] == pytest.approx(float(reference.result()), abs=tolerance), metric


@pytest.mark.parametrize("task", TASKS)
def test_order_and_shards_do_not_show(task):
    spec = spec_of(task)
    label, baseline, candidate = random_case(task)
    ids = mix(np.arange(len(label), dtype=np.uint64))
    whole = measure(spec.all_metrics, tally_of(spec, label, baseline, candidate), 0.95)
    order = np.random.default_rng(1).permutation(len(label))
    total = Tally()
    for rows in np.array_split(order, 7):
        tallies = {}
        answers = compare(spec, label[rows], baseline[rows], candidate[rows], ids[rows])
        add_batch(spec, tallies, answers, {}, spec.judged)
        total = merge(tallies[()], total)
    parts = measure(spec.all_metrics, total, 0.95)
    for name, value in whole.candidate.items():
        np.testing.assert_allclose(parts.candidate[name], value, rtol=1e-9, atol=1e-12, err_msg=name)


def test_merging_changes_neither_part():
    spec = spec_of("binary")
    label, baseline, candidate = random_case("binary")
    one, other = (tally_of(spec, label, baseline, candidate, rows) for rows in (np.arange(100), np.arange(100, 300)))
    merge(one, other)
    assert (one.examples, other.examples) == (100, 200)
    assert one.accumulators["auc"].n == 100


@pytest.mark.parametrize(("task", "width"), [("multiclass", 1), ("binary", 2), ("regression", 3)])
def test_a_model_of_another_task_is_refused(task, width):
    with pytest.raises(InputError, match=f"a {task} model must answer"):
        tally_of(spec_of(task), [0, 1], np.zeros((2, width)), np.zeros((2, width)))


@pytest.mark.parametrize("task", TASKS)
def test_nothing_measured_is_not_a_number(task):
    spec = spec_of(task)
    measured = measure(spec.all_metrics, Tally(), 0.95)
    assert all(np.isnan(measured.candidate[metric]) for metric in spec.all_metrics)


def test_one_class_only():
    spec = spec_of("binary")
    measured = measure(spec.all_metrics, tally_of(spec, np.ones(80, int), np.full(80, 0.9), np.full(80, 0.8)), 0.95)
    assert np.isnan(measured.candidate["auc"])
    assert measured.candidate["recall"] == 1.0

"""The bootstrap against plain Python; order, shards, repeats, degenerate inputs."""

import math

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from compression.settings.metrics import METRICS
from compression.statistics import auc
from compression.statistics.bootstrap import METRIC_SUMS, accumulate, empty, merge, result
from compression.statistics.decision import decide
from compression.statistics.intervals import bootstrap_interval, drop_bounds, value_bounds
from compression.statistics.weights import poisson_weights, unique_ids

MASK = 2**64 - 1


def sample(n=400, seed=0):
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < 0.4).astype(np.int64)
    logit = rng.normal(size=n) + 2 * label - 1
    both = np.stack([logit, logit + 0.3 * rng.normal(size=n)])
    return unique_ids(rng.integers(0, 50, n).astype(np.uint64)), label, 1 / (1 + np.exp(-both))


def run(metric, ids, label, answers, replicates=50, seed=3):
    accumulator = empty(metric, len(answers), replicates=replicates, seed=seed)
    accumulate(accumulator, ids, label, answers)
    return accumulator


def plain_mix(x):
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def plain_weight(example, replicate, seed):
    word = plain_mix((plain_mix(example ^ plain_mix(seed)) + (replicate // 4 + 1) * 0x9E3779B97F4A7C15) & MASK)
    lane = word >> (16 * (replicate % 4)) & 0xFFFF
    cumulative, weight = math.exp(-1), 0
    while lane >= round(cumulative * 65536) < 65536:
        weight += 1
        cumulative += math.exp(-1) / math.factorial(weight)
    return weight


def test_weights_are_what_plain_python_computes():
    ids = np.array([0, 1, 2**64 - 1, 12345], np.uint64)
    weights = poisson_weights(ids, 9, seed=7)
    assert weights.tolist() == [[plain_weight(int(i), r, 7) for r in range(9)] for i in ids]


def test_weights_are_poisson_and_independent():
    weights = poisson_weights(np.arange(20_000, dtype=np.uint64), 50, seed=1).astype(float)
    # A million draws: standard errors 0.001 of the mean, 0.0017 of the variance, about 0.006 of the third moment.
    assert weights.mean() == pytest.approx(1, abs=0.005)
    assert weights.var() == pytest.approx(1, abs=0.01)
    assert ((weights - 1) ** 3).mean() == pytest.approx(1, abs=0.03)
    correlation = np.corrcoef(weights.T) - np.eye(50)
    # 1,225 correlations with standard error 0.0071; the largest of so many stays below five of them.
    assert np.abs(correlation).max() < 0.036


@pytest.mark.parametrize("metric", METRIC_SUMS)
def test_the_table_agrees_with_the_settings(metric):
    if metric in METRICS:
        assert METRIC_SUMS[metric].higher_is_better == METRICS[metric].higher_is_better
    assert set(METRICS) <= set(METRIC_SUMS)


def test_replicates_are_what_plain_python_computes():
    ids, label, answers = sample(30)
    found = result(run("rmse", ids, label, answers, replicates=6))
    for r in range(6):
        weights = [plain_weight(int(i), r, 3) for i in ids]
        for model in range(2):
            squares = sum(w * (a - t) ** 2 for w, a, t in zip(weights, answers[model], label, strict=True))
            assert found.replicates[model, r] == pytest.approx(math.sqrt(squares / sum(weights)), rel=1e-12)


@pytest.mark.parametrize(
    ("metric", "reference"),
    [("precision", precision_score), ("recall", recall_score), ("f1", f1_score), ("auc", roc_auc_score)],
)
def test_values_are_scikit_learns(metric, reference):
    ids, label, answers = sample()
    found = result(run(metric, ids, label, answers, replicates=4))
    weights = poisson_weights(ids, 4, seed=3).astype(float)
    for model in range(2):
        given = answers[model] if metric == "auc" else answers[model] > 0.5
        # The area has an error of its own; 400 scores share few of the 1,024 bins.
        near = 5e-4 if metric == "auc" else 1e-12
        assert found.values[model] == pytest.approx(reference(label, given), abs=near)
        for r in range(4):
            wanted = reference(label, given, sample_weight=weights[:, r])
            assert found.replicates[model, r] == pytest.approx(wanted, abs=near)


@pytest.mark.parametrize("metric", METRIC_SUMS)
def test_order_batches_and_shards_do_not_matter(metric):
    ids, label, answers = sample()
    whole = result(run(metric, ids, label, answers))
    order = np.random.default_rng(9).permutation(len(ids))
    shards = [run(metric, ids[part], label[part], answers[:, part]) for part in np.array_split(order, 7)]
    shuffled = shards[3]
    for index in (0, 6, 1, 5, 2, 4):
        shuffled = merge(shards[index], shuffled)
    merged = result(shuffled)
    if METRIC_SUMS[metric].bounded:
        assert np.array_equal(merged.replicates, whole.replicates)
    # Sums of float64 errors are exact to some 400 units of 1e-16.
    np.testing.assert_allclose(merged.replicates, whole.replicates, rtol=1e-12)
    assert (merged.n, merged.relevant) == (whole.n, whole.relevant)


def test_repeats_get_different_ids_and_their_order_does_not_matter():
    digests = np.array([7, 7, 9, 7], np.uint64)
    ids = unique_ids(digests)
    assert len(set(ids.tolist())) == 4
    assert set(unique_ids(digests[::-1]).tolist()) == set(ids.tolist())
    assert unique_ids(np.array([], np.uint64)).shape == (0,)


@pytest.mark.parametrize("spread", [0.1, 1.0, 3.0])
def test_the_area_is_within_its_bound_of_the_exact_one(spread):
    rng = np.random.default_rng(4)
    label = rng.random(20_000) < 0.2
    logit = spread * (rng.normal(size=20_000) + 1.5 * label)
    score = 1 / (1 + np.exp(-logit))
    histograms = [np.bincount(auc.bin_of(score[label == kind]), minlength=auc.BINS) for kind in (False, True)]
    columns = [h[:, None] for h in histograms]
    error = abs(float(auc.area(*columns)[0]) - roc_auc_score(label, score))
    assert error <= float(auc.error_bound(*columns)[0]) < 0.006
    # Ties counted half cancel: the error itself is much smaller, even with all scores in a fiftieth of [0, 1].
    assert error < 3e-4


def test_int8_scores_have_a_bin_each():
    assert len(set(auc.bin_of(np.arange(256) / 256).tolist())) == 256
    assert np.all(np.diff(auc.bin_of(np.linspace(0, 1, 9999))) >= 0)


def test_intervals_by_hand():
    value, replicates = np.array([10.0]), np.arange(101.0)[None]
    assert [float(x[0]) for x in bootstrap_interval(value, replicates, 0.95, 101, "percentile")] == pytest.approx(
        [5, 95]
    )
    assert [float(x[0]) for x in bootstrap_interval(value, replicates, 0.95, 101, "basic")] == pytest.approx([-75, 15])
    low, high = (float(x[0]) for x in bootstrap_interval(value, replicates, 0.95, 101, "student"))
    # Standard deviation of 0..100 with n - 1 is 29.300; Student's quantile at 100 degrees of freedom is 1.6602.
    assert (low, high) == pytest.approx((10 - 48.645, 10 + 48.645), abs=5e-3)
    assert [float(x[0]) for x in bootstrap_interval(value, replicates, 0.95, 101)] == pytest.approx([low, 95])
    unbiased = bootstrap_interval(np.array([50.0]), replicates, 0.95, 101, "bias_corrected")
    assert [float(x[0]) for x in unbiased] == pytest.approx([5, 95], abs=1)


@pytest.mark.parametrize("metric", METRIC_SUMS)
def test_degenerate_inputs_do_not_crash(metric):
    ids, label, answers = sample(300)
    nothing = drop_bounds(result(empty(metric, 2, replicates=20)), 0.95)
    assert decide(nothing, "max_drop", 0.5).state != "passed"
    one_class = drop_bounds(result(run(metric, ids, np.zeros(300), answers)), 0.95)
    if metric in ("auc", "recall"):
        assert decide(one_class, "max_drop", 0.5).state == "not_enough_data"
    answers[1, 5] = np.nan
    broken = result(run(metric, ids, label, answers))
    assert broken.invalid.tolist() == [0, 1]
    assert decide(drop_bounds(broken, 0.95), "max_drop", 0.5).state == "blocked"
    assert decide(value_bounds(broken, 0.95), "min_value", 0.0).state == "blocked"
    assert decide(value_bounds(broken, 0.95, model=0), "min_value", 0.0).state != "blocked"


def test_an_equal_model_passes_with_enough_examples_only():
    ids, label, answers = sample(1000)
    answers[1] = answers[0]
    for metric in ("auc", "precision", "recall", "f1", "rmse", "mae"):
        enough = drop_bounds(result(run(metric, ids, label, answers, replicates=200)), 0.95)
        assert decide(enough, "max_drop", 0.03).state == "passed", metric
        few = drop_bounds(result(run(metric, ids[:40], label[:40], answers[:, :40])), 0.95)
        assert decide(few, "max_drop", 0.03).state == "not_enough_data", metric


def test_percent_is_of_the_baseline_and_errors_grow():
    ids, label, answers = sample(1000)
    answers[1] = label + 1.5 * (answers[0] - label)
    found = drop_bounds(result(run("rmse", ids, label, answers)), 0.95, percent=True)
    assert found.estimate == pytest.approx(50)
    assert found.lower == pytest.approx(50)
    assert decide(found, "max_drop_percent", 40).state == "blocked"


def test_accumulators_must_match():
    with pytest.raises(ValueError, match="same metric"):
        merge(empty("f1", 2), empty("recall", 2))
    with pytest.raises(ValueError, match="metric must be one of"):
        empty("acuracy", 2)


def test_simulated_coverage_of_recall():
    # 1,000 sets: three standard errors are 0.021; the bootstrap may err by 0.015 more.
    rng = np.random.default_rng(2)
    weights = poisson_weights(np.arange(300, dtype=np.uint64), 400, seed=5)
    covered = 0
    for _ in range(1000):
        differs = rng.choice([0.0, 1.0, -1.0], p=[0.85, 0.09, 0.06], size=300)
        lost = np.concatenate([[differs.mean()], (differs @ weights) / weights.sum(axis=0)])
        covered += bootstrap_interval(lost[:1], lost[None, 1:], 0.95, 300)[1][0] >= 0.03
    assert abs(covered / 1000 - 0.95) <= 0.036

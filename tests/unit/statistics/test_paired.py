"""Bounds of a drop of accuracy: published and hand-worked numbers, brute force, edges."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest, multinomial

from compression.statistics import exact, score
from compression.statistics.bounds import normal_quantile
from compression.statistics.paired import (
    PairedCounts,
    accuracy_bounds,
    accuracy_drop_bounds,
    count_pairs,
    default_method,
    right_answers,
)
from compression.statistics.trinomial import region_probability


def all_tables(n):
    return [(b, c) for b in range(n + 1) for c in range(n + 1 - b)]


def brute_statistic(n, b, c, drop):
    """The score statistic with the restricted likelihood maximized on a grid, not by the closed form."""
    p01 = np.linspace(max(0.0, -drop), (1 - drop) / 2, 400_001)[1:-1]
    with np.errstate(divide="ignore"):
        likelihood = b * np.log(p01 + drop) + c * np.log(p01) + (n - b - c) * np.log(1 - drop - 2 * p01)
    best = p01[np.argmax(likelihood)]
    return (b - c - n * drop) / math.sqrt(n * (2 * best + drop * (1 - drop)))


def test_the_score_interval_is_tangos():
    # Tango (1998): 44 pairs of soft contact lenses, 43 rated alike and one against; two-sided 90 %: -0.096 to 0.037.
    assert score.lower_bound(44, 0, 1, 0.95) == pytest.approx(-0.096, abs=5e-4)
    assert score.upper_bound(44, 0, 1, 0.95) == pytest.approx(0.037, abs=5e-4)
    # Airway hyper-responsiveness before and after transplantation (Fagerland, Lydersen and Laake, Statistics in
    # Medicine 33 (2014), 2850-2875): 1 and 7 of 21 differ; two-sided 95 %: -0.517 to -0.026.
    assert score.lower_bound(21, 1, 7, 0.975) == pytest.approx(-0.517, abs=5e-4)
    assert score.upper_bound(21, 1, 7, 0.975) == pytest.approx(-0.026, abs=5e-4)


@pytest.mark.parametrize(("n", "b", "c"), [(44, 1, 0), (50, 12, 3), (50, 3, 12), (200, 5, 5), (30, 29, 0)])
def test_at_its_bounds_the_score_statistic_is_the_quantile(n, b, c):
    z = normal_quantile(0.95)
    # The grid is 1e-6 wide or less, which moves the statistic by less than 1e-3.
    assert brute_statistic(n, b, c, float(score.upper_bound(n, b, c, 0.95))) == pytest.approx(-z, abs=1e-3)
    assert brute_statistic(n, b, c, float(score.lower_bound(n, b, c, 0.95))) == pytest.approx(z, abs=1e-3)


def test_without_differing_answers_the_score_bound_is_worked_by_hand():
    # -n d / sqrt(n d (1 - d)) = -z gives d = z^2 / (n + z^2).
    z = normal_quantile(0.99)
    assert score.upper_bound(300, 0, 0, 0.99) == pytest.approx(z * z / (300 + z * z), rel=1e-9)


def test_the_score_statistic_is_monotone_so_regions_are():
    for n in (7, 24):
        for drop in (-0.3, -0.01, 0.0, 0.03, 0.2, 0.7):
            refused = {(b, c): bool(score.rejects(n, b, c, drop, 1.6)) for b, c in all_tables(n)}
            first = score.first_refused(n, drop, 1.6)
            assert all(refused[b, c] == (c >= first[b]) for b, c in refused)
            assert all(np.diff(first[first <= n - np.arange(n + 1)]) >= 0)


def test_a_regions_probability_is_the_sum_over_its_tables():
    n, region = 20, score.first_refused(20, 0.2, 1.0)
    for p10, p01 in [(0.2, 0.0), (0.3, 0.1), (0.0, 0.0), (0.5, 0.5), (1.0, 0.0)]:
        tables = [(b, c) for b, c in all_tables(n) if c >= region[b]]
        cells = [[b, c, n - b - c] for b, c in tables]
        total = sum(multinomial.pmf(cells, n, [p10, p01, 1 - p10 - p01])) if tables else 0.0
        assert region_probability(region, p10, p01)[0] == pytest.approx(total, abs=2e-9)


@pytest.mark.parametrize(("n", "confidence"), [(4, 0.9), (12, 0.95), (16, 0.99)])
def test_the_exact_bounds_cover_at_least_as_often_as_they_say(n, confidence):
    tables = all_tables(n)
    cells = [[b, c, n - b - c] for b, c in tables]
    upper = np.array([exact.upper_bound(n, b, c, confidence) for b, c in tables])
    for p10 in np.linspace(0, 1, 21):
        for p01 in np.linspace(0, 1 - p10, 15):
            likely = multinomial.pmf(cells, n, [p10, p01, max(0.0, 1 - p10 - p01)])
            # 1e-9 for rounding of the drop itself and of the sum.
            assert likely[upper >= p10 - p01 - 1e-9].sum() >= confidence - 1e-9


def test_the_exact_bound_is_not_needlessly_wide():
    # Bonferroni over two Clopper-Pearson bounds is guaranteed too, and half as wide again as the score bound.
    for b, c in [(10, 10), (40, 40), (12, 8)]:
        unit = math.sqrt(b + c) / 500
        assert abs(exact.upper_bound(500, b, c, 0.95) - score.upper_bound(500, b, c, 0.95)) < 0.1 * unit
    # With no differing answers, p10 <= 1 - 0.05 ** (1 / n) is the best there is.
    assert exact.upper_bound(200, 0, 0, 0.95) == pytest.approx(1 - 0.05 ** (1 / 200), rel=0.02)


@pytest.mark.parametrize("method", ["exact", "score"])
def test_edges_and_symmetry(method):
    empty = accuracy_drop_bounds(PairedCounts(), 0.95, method)
    assert (empty.lower, empty.upper) == (-1, 1)
    assert math.isnan(empty.estimate)
    lost = accuracy_drop_bounds(PairedCounts(20, 0, 20, 0), 0.95, method)
    assert lost.upper == 1
    assert 0.5 < lost.lower < 1
    same = accuracy_drop_bounds(PairedCounts(100, 100), 0.95, method)
    assert 0 < same.upper < 0.04
    assert same.lower == -same.upper
    one = accuracy_drop_bounds(PairedCounts(100, 80, 9, 4), 0.95, method)
    other = accuracy_drop_bounds(PairedCounts(100, 80, 4, 9), 0.95, method)
    assert one.lower < one.estimate < one.upper
    assert (one.lower, one.upper) == pytest.approx((-other.upper, -other.lower))


def test_own_accuracy_is_clopper_pearson_or_wilson():
    for right, n in [(0, 10), (10, 10), (87, 100)]:
        # Two one-sided bounds at 95 % are a two-sided interval at 90 %.
        for method, name in [("exact", "exact"), ("score", "wilson")]:
            wanted = binomtest(right, n).proportion_ci(0.9, method=name)
            found = accuracy_bounds(PairedCounts(n, right), 0.95, method)
            assert (found.lower, found.upper) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_answers_are_counted_in_pairs_and_shards_add_up():
    label = np.array([0, 1, 2, 1])
    baseline = np.eye(3)[[0, 1, 2, 0]]
    candidate = np.eye(3)[[0, 0, 1, 1]]
    counts = count_pairs("multiclass", label, baseline, candidate)
    assert counts == PairedCounts(4, both=1, baseline_only=2, candidate_only=1)
    assert (counts.baseline, counts.candidate, counts.drop) == (0.75, 0.5, 0.25)
    parts = [count_pairs("multiclass", label[s], baseline[s], candidate[s]) for s in (slice(3, 4), slice(0, 3))]
    assert parts[0] + parts[1] == counts
    right, finite = right_answers("binary", np.array([[1], [0], [1]]), np.array([[0.5], [0.2], [np.nan]]))
    assert right.tolist() == [False, True, False]
    assert finite.tolist() == [True, True, False]
    with pytest.raises(ValueError, match="counts must be"):
        PairedCounts(1, 1, 1)


def test_simulated_coverage_and_false_passes():
    # 2,000 sets: the standard error is 0.005, three of them 0.015; the score bound may err by 0.015 more.
    rng = np.random.default_rng(1)
    n, p10, p01 = 60, 0.08, 0.05
    drawn = rng.multinomial(n, [p10, p01, 1 - p10 - p01], size=2000)
    by_score = score.upper_bound(n, drawn[:, 0], drawn[:, 1], 0.95)
    by_exact = np.array([exact.upper_bound(n, int(b), int(c), 0.95) for b, c, _ in drawn])
    assert np.mean(by_exact >= p10 - p01) >= 0.95 - 0.015
    assert abs(np.mean(by_score >= p10 - p01) - 0.95) <= 0.03
    assert default_method(n) == "exact"

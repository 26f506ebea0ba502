"""Three states, monotone in what is allowed; how many examples a gate needs."""

import math

import numpy as np
import pytest

from compression.statistics import score
from compression.statistics.bounds import Bounds, unseen_share
from compression.statistics.decision import decide, needed_examples, per_variant_confidence
from compression.statistics.paired import PairedCounts, accuracy_bounds, accuracy_drop_bounds, count_pairs
from compression.statistics.power import needed_for_accuracy, passing_probability, smallest_passing_n

RANK = {"blocked": 0, "not_enough_data": 1, "passed": 2}


def test_three_states():
    bounds = Bounds(0.02, 0.01, 0.04, 0.95, 100)
    assert decide(bounds, "max_drop", 0.04).state == "passed"
    assert decide(bounds, "max_drop", 0.01).state == "not_enough_data"
    assert decide(bounds, "max_drop", 0.009).state == "blocked"
    assert decide(bounds, "max_value", 0.009).state == "blocked"
    assert decide(bounds, "min_value", 0.01).state == "passed"
    assert decide(bounds, "min_value", 0.04).state == "not_enough_data"
    assert decide(bounds, "min_value", 0.05).state == "blocked"


def test_needed_examples_follow_the_square_root_law():
    # The bound is 0.02 from the estimate and may be 0.01 from it: four times the examples.
    decision = decide(Bounds(0.02, 0.0, 0.04, 0.95, 100), "max_drop", 0.03, title="f1")
    assert decision.needed_examples == pytest.approx(400, abs=1)
    assert f"about {decision.needed_examples} would do" in decision.reason
    assert needed_examples(Bounds(0.03, 0.0, 0.04, 0.95, 100), 0.03) is None
    assert needed_examples(Bounds(0.03 - 1e-9, 0.0, 0.04, 0.95, 100), 0.03) is None
    assert needed_examples(Bounds(0.0, -math.inf, math.inf, 0.95, 10), 0.03) == 50


def test_what_is_not_a_number_blocks_and_nothing_is_not_enough():
    assert decide(Bounds(0.0, 0.0, 0.0, 0.95, 100, invalid=1), "max_drop", 0.5).state == "blocked"
    assert decide(Bounds(math.nan, -1, 1, 0.95, 100), "max_drop", 0.5).state == "blocked"
    assert decide(Bounds(0.1, math.nan, math.nan, 0.95, 100), "max_drop", 0.5).state == "blocked"
    assert decide(Bounds(0.0, 0.0, 0.0, 0.95, 100), "max_drop", math.nan).state == "blocked"
    empty = decide(accuracy_drop_bounds(PairedCounts(), 0.95), "max_drop", 0.5)
    assert empty.state == "not_enough_data"
    assert "do not define it" in empty.reason


@pytest.mark.parametrize("seed", range(5))
def test_allowing_more_never_turns_a_decision_back(seed):
    rng = np.random.default_rng(seed)
    for _ in range(20):
        n = int(rng.integers(1, 200))
        b, c, both, _ = rng.multinomial(n, rng.dirichlet([1, 1, 5, 1]))
        for bounds in (
            accuracy_drop_bounds(PairedCounts(n, both, b, c), 0.95),
            accuracy_bounds(PairedCounts(n, c), 0.9),
        ):
            ranks = [RANK[decide(bounds, "max_drop", limit).state] for limit in np.linspace(0, 1, 30)]
            assert ranks == sorted(ranks)


def test_an_equal_model_passes_and_a_worse_one_is_blocked():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 10, 5000)
    answers = np.eye(10)[np.where(rng.random(5000) < 0.9, label, (label + 1) % 10)]
    confidence = per_variant_confidence(0.95, 5)

    def state(candidate, max_drop):
        counts = count_pairs("multiclass", label, answers, candidate)
        return decide(accuracy_drop_bounds(counts, confidence), "max_drop", max_drop).state

    assert state(answers, 0.03) == "passed"
    # Other answers on 3 % of the examples cost about 0.03 * 0.9 of the accuracy.
    worse = np.where((rng.random(5000) < 0.03)[:, None], np.roll(answers, 3, axis=1), answers)
    assert state(worse, 0.01) == "blocked"
    assert state(np.full_like(answers, np.nan), 0.03) == "blocked"


def test_confidence_is_shared_among_variants():
    assert per_variant_confidence(0.95, 1) == pytest.approx(0.95)
    assert per_variant_confidence(0.95, 8) == pytest.approx(0.99375)
    with pytest.raises(ValueError, match="variants at least 1"):
        per_variant_confidence(0.95, 0)


@pytest.mark.parametrize(("max_drop", "variants"), [(0.03, 1), (0.03, 5), (0.01, 8)])
def test_the_smallest_n_is_the_first_that_passes(max_drop, variants):
    n = smallest_passing_n(max_drop, 0.95, variants)
    confidence = per_variant_confidence(0.95, variants)
    states = [
        decide(accuracy_drop_bounds(PairedCounts(size, size), confidence), "max_drop", max_drop).state
        for size in (n - 1, n)
    ]
    assert states == ["not_enough_data", "passed"]
    # No test can do with fewer: then a model that fails on max_drop of all examples shows nothing too often.
    assert unseen_share(n, confidence) <= max_drop


def test_smallest_n_of_other_metrics():
    assert smallest_passing_n(0.03, 0.95, 1, "recall") == 99
    assert smallest_passing_n(0.03, 0.95, 1, "rmse") == 50
    assert smallest_passing_n(0.0, 0.95, 1) is None
    assert smallest_passing_n(0.00001, 0.95, 1) > 100_000
    with pytest.raises(ValueError, match="metric must be one of"):
        smallest_passing_n(0.03, 0.95, 1, "speed")


def test_needed_for_accuracy_is_enough_and_not_more():
    counts = PairedCounts(539, 515, 10, 6)
    n = needed_for_accuracy(counts, 0.02, 0.99)
    shares = np.array([10, 6]) / 539
    assert score.upper_bound(n, *(n * shares), 0.99) <= 0.02 < score.upper_bound(n - 1, *((n - 1) * shares), 0.99)
    assert needed_for_accuracy(PairedCounts(100, 90, 5, 0), 0.05, 0.95) is None
    assert needed_for_accuracy(PairedCounts(), 0.05, 0.95) is None


def test_computed_power_agrees_with_simulation():
    rng = np.random.default_rng(6)
    n, drop, differing = 500, 0.005, 0.03
    drawn = rng.multinomial(n, [(differing + drop) / 2, (differing - drop) / 2, 1 - differing], size=4000)
    passed = np.mean(score.upper_bound(n, drawn[:, 0], drawn[:, 1], 0.95) <= 0.03)
    # Three standard errors of 4,000 sets.
    assert passing_probability(n, drop, differing, 0.03, 0.95) == pytest.approx(passed, abs=0.02)

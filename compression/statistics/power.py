"""How many examples a gate needs, and how often it passes what should pass."""

import math
from bisect import bisect_left

from compression.statistics.bootstrap import METRIC_SUMS
from compression.statistics.bounds import MIN_EXAMPLES, normal_quantile
from compression.statistics.decision import per_variant_confidence
from compression.statistics.exact import upper_bound as exact_upper_bound
from compression.statistics.paired import EXACT_UP_TO, PairedCounts
from compression.statistics.score import first_refused
from compression.statistics.score import upper_bound as score_upper_bound
from compression.statistics.trinomial import region_probability

_MOST_EXAMPLES = 100_000_000


def smallest_passing_n(max_drop: float, confidence: float, variants: int, metric: str = "accuracy") -> int | None:
    """Least number of examples with which a model that answers just as the baseline could pass.

    Args:
        max_drop: Allowed drop in the metric's unit; a percentage must be multiplied out by the caller.
        confidence: One-sided, for all variants together.
        variants: How many are tested.
        metric: A key of `METRIC_SUMS`. For recall the examples are those with label 1, for AUC those of the rarer
            class, for precision and f1 those called positive; for rmse and mae any.

    Returns:
        None when no number would do (`max_drop` is 0).
    """
    each = per_variant_confidence(confidence, variants)
    if metric not in METRIC_SUMS:
        raise ValueError(f"metric must be one of {', '.join(METRIC_SUMS)}, got {metric!r}")
    if not METRIC_SUMS[metric].bounded:
        return MIN_EXAMPLES
    if max_drop <= 0:
        return None
    if max_drop >= 1:
        return 1
    unseen = math.ceil(math.log(1 - each) / math.log1p(-max_drop))
    if metric != "accuracy":
        return max(MIN_EXAMPLES, unseen)
    if unseen <= EXACT_UP_TO:
        # The exact bound pays a little for its nuisance set, so the count is a few above the rule of three.
        sizes = range(unseen, 2 * unseen + 9)
        return sizes[bisect_left(sizes, True, key=lambda n: exact_upper_bound(n, 0, 0, each) <= max_drop)]
    score = math.ceil(normal_quantile(each) ** 2 * (1 - max_drop) / max_drop)
    return max(score, EXACT_UP_TO + 1) if score <= _MOST_EXAMPLES else None


def needed_for_accuracy(counts: PairedCounts, max_drop: float, confidence: float) -> int | None:
    """How many examples would pass if answers went on to differ as often as in `counts`, by the score bound.

    Better than the square-root law of `decision.needed_examples` where few answers differ. None when the drop seen is
    itself not below `max_drop`, or the number is beyond 100 million.
    """
    if not counts.n or counts.drop >= max_drop:
        return None
    b, c = counts.baseline_only / counts.n, counts.candidate_only / counts.n
    low, high = counts.n, _MOST_EXAMPLES
    if score_upper_bound(high, high * b, high * c, confidence) > max_drop:
        return None
    while low < high:
        middle = (low + high) // 2
        passes = score_upper_bound(middle, middle * b, middle * c, confidence) <= max_drop
        low, high = (low, middle) if passes else (middle + 1, high)
    return low


def passing_probability(n: int, drop: float, differing: float, max_drop: float, confidence: float) -> float:
    """Probability that a model passes `max_drop` by the score bound: power, or error when `drop` is above `max_drop`.

    Computed, not simulated: a sum over all tables.

    Args:
        n: Number of examples.
        drop: The true drop of accuracy.
        differing: True share of examples that exactly one of the two models answers right, at least `abs(drop)`.
        max_drop: What is allowed.
        confidence: One-sided, for this variant.
    """
    region = first_refused(n, max_drop, normal_quantile(confidence))
    return float(region_probability(region, (differing + drop) / 2, (differing - drop) / 2)[0])

"""Bounds from bootstrap replicates."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit  # type: ignore[import-untyped]

from compression.statistics.bootstrap import METRIC_SUMS, Replicates, pair_values
from compression.statistics.bounds import MIN_EXAMPLES, Bounds, normal_quantile, unseen_share

Interval = Literal["percentile", "basic", "bias_corrected", "student", "wider"]
Floats = NDArray[np.float64]

# Chosen by simulation; docs/gate-statistics.md says why.
DEFAULT_INTERVAL: Interval = "wider"
# With more undefined replicates than this the sample is at the edge of what the metric is defined for.
_MOST_UNDEFINED = 0.05


def bootstrap_interval(
    value: Floats, replicates: Floats, confidence: float, examples: int, kind: Interval = DEFAULT_INTERVAL
) -> tuple[Floats, Floats]:
    """Lower and upper bound, each one-sided at `confidence`; undefined replicates (NaN) are left out.

    Args:
        value: On the sample, `[k]`.
        replicates: `[k, replicates]`.
        confidence: One-sided, in (0.5, 1).
        examples: Number of examples that the metric rests on, at least 2.
        kind: `percentile`: quantiles of the replicates; `basic`: reflected about the value; `bias_corrected`: quantiles
            shifted by the replicates' median bias (Efron 1981); `student`: value and standard deviation of the
            replicates with Student's quantile; `wider`: on each side the more cautious of `student` and `percentile`.
    """
    if kind == "bias_corrected":
        return _bias_corrected(value, replicates, confidence)
    # The bootstrap's variance divides by n, not by n - 1.
    reach = stdtrit(examples - 1, confidence) * np.nanstd(replicates, axis=-1) * np.sqrt(examples / (examples - 1))
    if kind == "student":
        return value - reach, value + reach
    low, high = np.nanquantile(replicates, [1 - confidence, confidence], axis=-1)
    if kind == "basic":
        return 2 * value - high, 2 * value - low
    return (low, high) if kind == "percentile" else (np.minimum(low, value - reach), np.maximum(high, value + reach))


def _bias_corrected(value: Floats, replicates: Floats, confidence: float) -> tuple[Floats, Floats]:
    below = np.mean(replicates < value[..., None], axis=-1) + np.mean(replicates == value[..., None], axis=-1) / 2
    size = replicates.shape[-1]
    shift = 2 * ndtri(np.clip(below, 0.5 / size, 1 - 0.5 / size))
    ordered, z = np.sort(replicates, axis=-1), normal_quantile(confidence)
    places = [np.clip(ndtr(shift + sign * z) * size, 0, size - 1).astype(np.int64) for sign in (-1, 1)]
    low, high = (np.take_along_axis(ordered, place[..., None], -1)[..., 0] for place in places)
    return low, high


def drop_bounds(
    found: Replicates, confidence: float, *, candidate: int = 1, baseline: int = 0, percent: bool = False
) -> Bounds:
    """The drop from one model to another with one-sided bounds.

    For metrics in [0, 1] the upper bound is at least the share of a kind of example that the sample can have missed
    altogether (`unseen_share`): replicates of a sample in which no answer differs have no spread.

    Args:
        found: From `bootstrap.result`.
        confidence: One-sided, in (0.5, 1).
        candidate: Which model may have lost.
        baseline: Against which one.
        percent: In percent of the baseline's value, whose own uncertainty is then part of the bounds.
    """
    sign = 1.0 if METRIC_SUMS[found.metric].higher_is_better else -1.0
    pair = pair_values(found, baseline, candidate)
    lost, losts = sign * (found.values[baseline] - found.values[candidate]), sign * (pair[0] - pair[1])
    floor = unseen_share(found.relevant, confidence) if METRIC_SUMS[found.metric].bounded else -np.inf
    if percent:
        with np.errstate(divide="ignore", invalid="ignore"):
            lost, losts = 100 * lost / found.values[baseline], 100 * losts / pair[0]
            floor = 100 * floor / found.values[baseline]
    invalid = int(found.invalid[[baseline, candidate]].sum())
    lower, upper = _bounds(found, losts, confidence)
    return Bounds(float(lost), lower, max(upper, float(floor)), confidence, found.relevant, invalid)


def value_bounds(found: Replicates, confidence: float, *, model: int = 1) -> Bounds:
    """A model's own value with one-sided bounds; for metrics in [0, 1] the lower one allows for what was not seen."""
    value = float(found.values[model])
    row = METRIC_SUMS[found.metric]
    lower, upper = _bounds(found, row.value(found.sums[:, [model]])[0], confidence)
    if row.bounded:
        lower = min(lower, 1 - unseen_share(found.relevant, confidence))
    return Bounds(value, lower, upper, confidence, found.relevant, int(found.invalid[model]))


def _bounds(found: Replicates, values: Floats, confidence: float) -> tuple[float, float]:
    """Bounds from the sample's value, first, and the replicates'; infinite where nothing can be said."""
    undefined = float(np.mean(~np.isfinite(values[1:])))
    if found.relevant < MIN_EXAMPLES or not np.isfinite(values[0]) or undefined > _MOST_UNDEFINED:
        return -np.inf, np.inf
    defined = np.where(np.isfinite(values[1:]), values[1:], np.nan)
    low, high = bootstrap_interval(values[:1], defined[None], confidence, found.relevant)
    return float(low[0]), float(high[0])

"""A mergeable paired bootstrap of several models' metrics, whole batches at a time.

All models answer the same examples and share the same weights, so differences between them are paired. Accumulators
have a fixed size and add up, in any order and over any sharding: counts (precision, recall, f1, auc) exactly, sums of
errors (rmse, mae) to about 1e-12.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array  # type: ignore[import-untyped]

from compression.statistics import auc
from compression.statistics.weights import Ids, mix, poisson_weights

Floats = NDArray[np.float64]

REPLICATES = 1000
# Weights of one block (examples x replicates) stay within a processor's second-level cache.
_BLOCK_WEIGHTS = 1 << 19


@dataclass(frozen=True)
class MetricSums:
    """How a metric follows from weighted sums.

    Attributes:
        higher_is_better: Direction.
        bounded: Whether values lie in [0, 1].
        parts: Label and prediction `[models, batch]` to contributions `[parts, models, batch]`; None for AUC, which
            takes histograms.
        value: Sums `[parts, models, replicates]` to values `[models, replicates]`.
        relevant: Sums of the sample `[parts, models]` to the number of examples that the metric rests on.
    """

    higher_is_better: bool
    bounded: bool
    parts: Callable[[Floats, Floats], Floats] | None
    value: Callable[[Floats], Floats]
    relevant: Callable[[Floats], float]


def _ratio(above: Floats, below: Floats) -> Floats:
    # 0/0 is 0, as in Keras.
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _confusion(label: Floats, prediction: Floats) -> Floats:
    """True positives, false positives, false negatives; above 0.5 means 1, as in Keras."""
    called = prediction > 0.5
    true = label > 0.5
    return np.stack([called & true, called & ~true, ~called & true]).astype(np.float64)


def _right(label: Floats, prediction: Floats) -> Floats:
    right = (prediction > 0.5) == (label > 0.5)
    return np.stack([right, np.ones_like(right)]).astype(np.float64)


def _squares(label: Floats, prediction: Floats) -> Floats:
    return np.stack([np.square(prediction - label), np.ones_like(prediction)])


def _distances(label: Floats, prediction: Floats) -> Floats:
    return np.stack([np.abs(prediction - label), np.ones_like(prediction)])


def _area(sums: Floats) -> Floats:
    """Parts are the bins of label 0, then those of label 1."""
    flat = sums.reshape(2, auc.BINS, -1)
    return auc.area(flat[0], flat[1]).reshape(sums.shape[1:])


def _mean_relevant(sums: Floats) -> float:
    return float(sums[1].min())


METRIC_SUMS: dict[str, MetricSums] = {
    "accuracy": MetricSums(True, True, _right, lambda s: _ratio(s[0], s[1]), _mean_relevant),
    "auc": MetricSums(True, True, None, _area, lambda s: float(s[:, 0].reshape(2, -1).sum(axis=1).min())),
    "precision": MetricSums(
        True, True, _confusion, lambda s: _ratio(s[0], s[0] + s[1]), lambda s: float((s[0] + s[1]).min())
    ),
    "recall": MetricSums(
        True, True, _confusion, lambda s: _ratio(s[0], s[0] + s[2]), lambda s: float((s[0] + s[2]).min())
    ),
    "f1": MetricSums(
        True, True, _confusion, lambda s: _ratio(2 * s[0], 2 * s[0] + s[1] + s[2]), lambda s: float(s.sum(axis=0).min())
    ),
    "rmse": MetricSums(False, False, _squares, lambda s: np.sqrt(_ratio(s[0], s[1])), _mean_relevant),
    "mae": MetricSums(False, False, _distances, lambda s: _ratio(s[0], s[1]), _mean_relevant),
}


@dataclass(frozen=True)
class Accumulator:
    """Weighted sums of what was seen so far; the sample itself is replicate 0, with weight 1 for all.

    Attributes:
        metric: A key of `METRIC_SUMS`.
        n: Number of examples.
        invalid: Predictions that are not finite, for each model `[models]`; they are left out of the sums.
        sums: `[parts, models, 1 + replicates]`; float64, for AUC int32 (exact up to 2**31 weighted examples in a bin).
        seed: Of the weights.
    """

    metric: str
    n: int
    invalid: NDArray[np.int64]
    sums: NDArray[np.float64] | NDArray[np.int32]
    seed: int


def empty(metric: str, models: int, *, replicates: int = REPLICATES, seed: int = 0) -> Accumulator:
    """An accumulator that has seen nothing; `models` counts the baseline too."""
    if metric not in METRIC_SUMS:
        raise ValueError(f"metric must be one of {', '.join(METRIC_SUMS)}, got {metric!r}")
    zeros = np.zeros(models, np.int64)
    if METRIC_SUMS[metric].parts is None:
        return Accumulator(metric, 0, zeros, np.zeros((2 * auc.BINS, models, 1 + replicates), np.int32), seed)
    parts = 3 if METRIC_SUMS[metric].parts is _confusion else 2
    return Accumulator(metric, 0, zeros, np.zeros((parts, models, 1 + replicates)), seed)


def accumulate(into: Accumulator, ids: Ids, label: NDArray[np.generic], predictions: NDArray[np.floating]) -> None:
    """Adds one batch in place.

    Args:
        into: Is changed.
        ids: `[batch]` 64-bit, different for different examples (`weights.unique_ids`).
        label: `[batch]` or `[batch, 1]`; 0 or 1, for rmse and mae any number.
        predictions: `[models, batch]`, the baseline first; probabilities of label 1, for rmse and mae numbers.
    """
    truth = np.asarray(label, np.float64).reshape(-1)
    models, width = into.sums.shape[1:]
    answers = np.asarray(predictions, np.float64).reshape(models, len(truth))
    finite = np.isfinite(answers)
    step = max(1, _BLOCK_WEIGHTS // width)
    for start in range(0, len(truth), step):
        block = slice(start, start + step)
        weights = np.ones((len(ids[block]), width), np.uint8)
        weights[:, 1:] = poisson_weights(ids[block], width - 1, into.seed)
        add = _add_histograms if METRIC_SUMS[into.metric].parts is None else _add_sums
        add(into, weights, truth[block], answers[:, block], finite[:, block])
    into.invalid[...] += np.sum(~finite, axis=1)
    # The dataclass is frozen so that nobody swaps its arrays; the count is part of this one permitted change.
    object.__setattr__(into, "n", into.n + len(truth))


def _add_sums(
    into: Accumulator, weights: NDArray[np.uint8], label: Floats, answers: Floats, finite: NDArray[np.bool_]
) -> None:
    parts = METRIC_SUMS[into.metric].parts
    if parts is None:
        raise TypeError(f"{into.metric} is accumulated in histograms")
    rows = np.where(finite, parts(label, np.where(finite, answers, 0.0)), 0.0)
    # Counts stay whole, hence exact, in float32 within a block; errors need float64.
    dtype = np.float32 if METRIC_SUMS[into.metric].bounded else np.float64
    # A sparse product skips zeros and keeps off BLAS threads, whose order of summation depends on the machine's load.
    flat = csr_array(rows.reshape(-1, len(label)).astype(dtype)) @ weights.astype(dtype)
    into.sums[...] += flat.reshape(into.sums.shape)


def _add_histograms(
    into: Accumulator, weights: NDArray[np.uint8], label: Floats, answers: Floats, finite: NDArray[np.bool_]
) -> None:
    table = weights.astype(np.float32)
    for model in range(len(answers)):
        bins = auc.bin_of(np.where(finite[model], answers[model], 0.0)) + np.where(label > 0.5, auc.BINS, 0)
        touched, row = np.unique(bins, return_inverse=True)
        shape = (len(touched), len(label))
        member = csr_array((finite[model].astype(np.float32), (row, np.arange(len(label)))), shape=shape)
        into.sums[touched, model] += (member @ table).astype(np.int32)


def merge(one: Accumulator, other: Accumulator) -> Accumulator:
    """The accumulator of both sets of examples."""
    if (one.metric, one.seed, one.sums.shape) != (other.metric, other.seed, other.sums.shape):
        raise ValueError("accumulators must have the same metric, models, replicates and seed; make them alike")
    return Accumulator(one.metric, one.n + other.n, one.invalid + other.invalid, one.sums + other.sums, one.seed)


@dataclass(frozen=True)
class Replicates:
    """A metric of several models, on the sample and on every replicate.

    Attributes:
        metric: A key of `METRIC_SUMS`.
        n: Number of examples.
        relevant: How many of them the metric rests on.
        invalid: Predictions that are not finite, `[models]`.
        values: On the sample, `[models]`, the baseline first; NaN where undefined.
        replicates: `[models, replicates]`.
        sums: What they follow from, `[parts, models, 1 + replicates]`; the sample is column 0.
        seed: Of the weights.
    """

    metric: str
    n: int
    relevant: int
    invalid: NDArray[np.int64]
    values: Floats
    replicates: Floats
    sums: Floats
    seed: int


def result(accumulator: Accumulator) -> Replicates:
    """Values from the sums."""
    row = METRIC_SUMS[accumulator.metric]
    sums = np.asarray(accumulator.sums, np.float64)
    values = row.value(sums)
    relevant = int(row.relevant(sums[:, :, 0]))
    return Replicates(
        metric=accumulator.metric,
        n=accumulator.n,
        relevant=relevant,
        invalid=accumulator.invalid,
        values=values[:, 0],
        replicates=values[:, 1:],
        sums=sums,
        seed=accumulator.seed,
    )


# Label, baseline's and candidate's answer: the four ways in which two models can differ.
_DIFFERENCES = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
_DIFFERENCE_IDS = mix(np.arange(1, 5, dtype=np.uint64))


def pair_values(found: Replicates, baseline: int, candidate: int) -> Floats:
    """Values of two models `[2, 1 + replicates]`, as a basis for bounds of their difference.

    For precision, recall, f1 and accuracy one example of every way to differ is added, of weight 1 in the sample and
    Poisson in the replicates: where few answers differ, resampling them alone shows far too little spread. For recall
    this comes down to the interval of Bonett and Price (Journal of Educational and Behavioral Statistics 37 (2012),
    479-488).
    """
    row = METRIC_SUMS[found.metric]
    sums = found.sums[:, [baseline, candidate]]
    if row.parts is not None and row.bounded:
        weights = np.ones((len(_DIFFERENCES), sums.shape[2]))
        weights[:, 1:] = poisson_weights(_DIFFERENCE_IDS, sums.shape[2] - 1, found.seed)
        sums = sums + row.parts(_DIFFERENCES[:, 0], _DIFFERENCES[:, 1:].T) @ weights
    return row.value(sums)

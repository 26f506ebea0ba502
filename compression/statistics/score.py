"""Tango's score bounds for a difference of paired proportions, whole arrays at a time.

Source: T. Tango, Equivalence test and confidence interval for the difference in proportions for the paired-sample
design, Statistics in Medicine 17 (1998), 891-908.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compression.statistics.bounds import normal_quantile

Floats = NDArray[np.float64]

# Halvings of an interval at most 2 long: the rest is below the spacing of float64 near 1.
_HALVINGS = 56


def null_variance(n: ArrayLike, b: ArrayLike, c: ArrayLike, drop: ArrayLike) -> Floats:
    """Variance of `b - c` when the true drop is `drop`, at the likeliest discordance under that drop.

    Args:
        n: Number of examples, above 0; need not be whole.
        b: How many only the baseline answers right.
        c: How many only the candidate answers right.
        drop: Hypothetical drop in [-1, 1]; all arguments broadcast.
    """
    n, b, c, drop = (np.asarray(value, np.float64) for value in (n, b, c, drop))
    half = -b - c + (2 * n - b + c) * drop
    product = c * drop * (1 - drop)
    root = np.sqrt(np.maximum(half * half + 8 * n * product, 0))
    # The larger root of 2n q^2 + half q - product = 0. Subtracting half from root loses all digits where half > 0.
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.where(half > 0, 2 * product / (root + half), (root - half) / (4 * n))
    variance: Floats = np.maximum(n * (2 * q + drop * (1 - drop)), 0)
    return variance


def rejects(n: ArrayLike, b: ArrayLike, c: ArrayLike, drop: ArrayLike, z: float) -> NDArray[np.bool_]:
    """Whether the score test at normal quantile `z` refuses that the true drop is `drop` or more."""
    n, b, c, drop = (np.asarray(value, np.float64) for value in (n, b, c, drop))
    excess = b - c - n * drop
    # Without the second condition a table without differing answers would refuse a drop of 0, by 0 <= 0.
    refused: NDArray[np.bool_] = (excess <= -z * np.sqrt(null_variance(n, b, c, drop))) & np.less(excess, 0)
    return refused


def upper_bound(n: ArrayLike, b: ArrayLike, c: ArrayLike, confidence: float) -> Floats:
    """Upper confidence bound of the drop `(b - c) / n`, in [-1, 1]; 1 where `n` is 0.

    The test statistic falls as the hypothetical drop grows, so that the bound is found by halving an interval; the
    quartic's closed form loses digits where few answers differ.
    """
    n, b, c = np.broadcast_arrays(*(np.asarray(value, np.float64) for value in (n, b, c)))
    size = np.maximum(n, 1e-300)
    z = normal_quantile(confidence)
    low, high = np.asarray((b - c) / size), np.ones(n.shape)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        refused = rejects(size, b, c, middle, z)
        low, high = np.where(refused, low, middle), np.where(refused, middle, high)
    # Where every answer counts against the candidate no drop below 1 is refused.
    bound: Floats = np.where((n <= 0) | (b >= n), 1.0, high)
    return bound


def lower_bound(n: ArrayLike, b: ArrayLike, c: ArrayLike, confidence: float) -> Floats:
    """Lower confidence bound of the drop; the upper bound with the models' parts exchanged, negated."""
    return -upper_bound(n, c, b, confidence)


def first_refused(n: int, drop: float, z: float) -> NDArray[np.int64]:
    """For each b in 0..n the least c from which on the score test refuses `drop`; `n - b + 1` where none does.

    Returns:
        Whole numbers `[n + 1]`. The statistic falls with c and rises with b, so they never fall.
    """
    b = np.arange(n + 1)
    low, high = np.zeros(n + 1, np.int64), n - b + 1
    while np.any(low < high):
        middle = (low + high) // 2
        refused = rejects(n, b, middle, drop, z)
        low, high = np.where(refused, low, np.minimum(middle + 1, high)), np.where(refused, middle, high)
    return low

"""Probabilities of regions of paired tables: b baseline-only and c candidate-only right answers among n."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import bdtr, bdtrc, betainc, gammaln, xlog1py, xlogy  # type: ignore[import-untyped]

Floats = NDArray[np.float64]


def region_probability(first_c: NDArray[np.int64], p10: ArrayLike, p01: ArrayLike) -> Floats:
    """Probability that `c >= first_c[b]`, rounded up by at most 1e-9.

    Args:
        first_c: For each b in 0..n the least c in the region; `n - b + 1` for none. Shape `[n + 1]`.
        p10: Probabilities that only the baseline is right; shape `[k]`.
        p01: Probabilities that only the candidate is right; shape `[k]`; `p10 + p01 <= 1`.

    Returns:
        Shape `[k]`. What lies outside the window of b that is summed counts as inside the region.
    """
    p10, p01 = (np.atleast_1d(np.asarray(value, np.float64)) for value in (p10, p01))
    n = len(first_c) - 1
    reach = 7 * np.sqrt(n * p10 * (1 - p10)) + 12
    low = np.clip(np.floor(n * p10 - reach), 0, n).astype(np.int64)
    high = np.clip(np.ceil(n * p10 + reach), 0, n).astype(np.int64)
    b = low[:, None] + np.arange(int(np.max(high - low)) + 1)
    inside = b <= high[:, None]
    b = np.minimum(b, n)
    log_pmf = gammaln(n + 1) - gammaln(b + 1) - gammaln(n - b + 1)
    log_pmf = log_pmf + xlogy(b, p10[:, None]) + xlog1py(n - b, -p10[:, None])
    share = np.clip(p01 / np.maximum(1 - p10, 1e-300), 0, 1)[:, None]
    total = np.sum(np.where(inside, np.exp(log_pmf) * _tail(n - b, first_c[b], share), 0.0), axis=1)
    outside = np.where(low > 0, bdtr(np.maximum(low - 1, 0), n, p10), 0.0) + bdtrc(high, n, p10)
    probability: Floats = np.minimum(total + outside, 1.0)
    return probability


def _tail(m: NDArray[np.int64], least: NDArray[np.int64], p: Floats) -> Floats:
    """P(C >= least) for C binomial with m draws at p; 1 where least is 0, 0 where it is above m."""
    possible = np.clip(least, 1, np.maximum(m, 1))
    tail = betainc(possible, np.maximum(m - possible + 1, 1), p)
    result: Floats = np.where(least <= 0, 1.0, np.where(least > m, 0.0, tail))
    return result

"""Bounds for a difference of paired proportions whose coverage is guaranteed, not approximate.

Construction (Buehler 1957; for paired proportions Lloyd and Moldovan, Statistics in Medicine 26 (2007), 3369-3384):
order all tables by Tango's score bound, and take the largest drop under which a table as favourable as the one seen
still has more than the allowed probability. Among all guaranteed bounds that respect the order this is the smallest.
The share of answers that differ is unknown, so the largest probability over a confidence set for that share counts, and
the set's own error is paid for (Berger and Boos, Journal of the American Statistical Association 89 (1994), 1012-1016).
Between the points of the grid the maximum is bounded by monotony, so that the guarantee does not rest on a fine grid.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv  # type: ignore[import-untyped]

from compression.statistics.bounds import normal_quantile
from compression.statistics.score import first_refused
from compression.statistics.score import upper_bound as score_upper_bound
from compression.statistics.trinomial import region_probability

# Part of the allowed error that pays for the confidence set of the share of differing answers.
_NUISANCE_PART = 0.02
# Cells of that set: each widens the bound by at most half its own width, here about 3 % of a standard error.
_CELLS = 128
# The bound is rounded up to within this part of a standard error.
_RESOLUTION = 0.005


@lru_cache(maxsize=4096)
def upper_bound(n: int, b: int, c: int, confidence: float) -> float:
    """Upper confidence bound of the drop `(b - c) / n`, in [-1, 1]: at least `confidence` coverage for every truth.

    Args:
        n: Number of examples.
        b: How many only the baseline answers right.
        c: How many only the candidate answers right.
        confidence: One-sided, in (0, 1).
    """
    if b >= n:
        return 1.0
    allowed = (1 - confidence) * (1 - _NUISANCE_PART)
    cells = _cells(n, b + c, (1 - confidence) * _NUISANCE_PART)
    start = float(score_upper_bound(n, b, c, confidence))
    region = _as_favourable(n, b, c, start, confidence)
    # The true standard error is never 0, although its estimate is when no answers differ.
    unit = float(np.sqrt(max(b + c, 1))) / n
    low, high = _bracket(region, cells, allowed, (b - c) / n, start, unit)
    while high - low > _RESOLUTION * unit:
        middle = (low + high) / 2
        if _largest_probability(region, cells, middle) > allowed:
            low = middle
        else:
            high = middle
    return high


def lower_bound(n: int, b: int, c: int, confidence: float) -> float:
    """Lower confidence bound of the drop; the upper bound with the models' parts exchanged, negated."""
    return -upper_bound(n, c, b, confidence)


def _cells(n: int, differing: int, error: float) -> NDArray[np.float64]:
    """Edges of cells over the Clopper-Pearson interval of the share of answers that differ."""
    low = betaincinv(differing, n - differing + 1, error / 2) if differing else 0.0
    high = betaincinv(differing + 1, n - differing, 1 - error / 2) if differing < n else 1.0
    # Even steps of the square root are even steps of the standard error.
    edges: NDArray[np.float64] = np.linspace(np.sqrt(low), np.sqrt(high), _CELLS + 1) ** 2
    return edges


def _as_favourable(n: int, b: int, c: int, bound: float, confidence: float) -> NDArray[np.int64]:
    """For each b' the least c' whose score bound is at most that of the table seen."""
    region = first_refused(n, bound, normal_quantile(confidence))
    # The table itself belongs to its region whatever rounding says, and with it all that are more favourable.
    region[: b + 1] = np.minimum(region[: b + 1], c)
    return region


def _largest_probability(region: NDArray[np.int64], cells: NDArray[np.float64], drop: float) -> float:
    """Upper bound, over the cells, of the region's probability under a true drop.

    The region grows likelier as p10 falls and as p01 rises, so that no point of a cell is likelier than its corner.
    """
    least, most = np.maximum(cells[:-1], abs(drop)), cells[1:]
    possible = most >= abs(drop)
    if not np.any(possible):
        return 0.0
    p10 = np.clip((least[possible] + drop) / 2, 0, 1)
    p01 = np.clip((most[possible] - drop) / 2, 0, 1 - p10)
    return float(np.max(region_probability(region, p10, p01)))


def _bracket(
    region: NDArray[np.int64], cells: NDArray[np.float64], allowed: float, estimate: float, start: float, unit: float
) -> tuple[float, float]:
    """A drop that is not refused and a greater one that is, close to the score bound where that can be."""
    step = unit / 8
    low, high = start, start
    while low > estimate and _largest_probability(region, cells, low) <= allowed:
        low, high, step = max(estimate, low - step), low, 2 * step
    if high == low:
        high = low + step
        while high < 1 and _largest_probability(region, cells, high) > allowed:
            low, high, step = high, high + step, 2 * step
    return low, min(high, 1.0)

"""One-sided bounds of a single proportion, for rules on the candidate's own accuracy."""

import math

from scipy.special import betaincinv  # type: ignore[import-untyped]

from compression.statistics.bounds import normal_quantile


def exact_bounds(right: int, n: int, confidence: float) -> tuple[float, float]:
    """Lower and upper bound of Clopper and Pearson (Biometrika 26 (1934), 404-413), each one-sided at `confidence`."""
    lower = float(betaincinv(right, n - right + 1, 1 - confidence)) if right else 0.0
    upper = float(betaincinv(right + 1, n - right, confidence)) if right < n else 1.0
    return lower, upper


def wilson_bounds(right: int, n: int, confidence: float) -> tuple[float, float]:
    """Lower and upper score bound of Wilson (JASA 22 (1927), 209-212), each one-sided at `confidence`."""
    if not n:
        return 0.0, 1.0
    z = normal_quantile(confidence)
    share = right / n
    centre = share + z * z / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)

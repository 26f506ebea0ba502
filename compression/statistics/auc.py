"""Area under the ROC curve from fixed-size histograms of the scores."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Scores of an int8 model (steps of 1/256) and of a sigmoid near 0 and 1 (even steps of the logit) are both kept apart;
# docs/gate-statistics.md gives the error.
BINS = 1024
_LOGIT_REACH = 16.0


def bin_of(score: NDArray[np.floating], bins: int = BINS) -> NDArray[np.int64]:
    """Bin of each score in [0, 1]; rises with the score.

    Half of the resolution is even in the score, half in its logit (within +-16): uniform bins alone would put all of a
    confident model's scores into two bins.
    """
    p = np.clip(np.asarray(score, np.float64), 0.0, 1.0)
    with np.errstate(divide="ignore"):
        logit = np.clip(np.log(p) - np.log1p(-p), -_LOGIT_REACH, _LOGIT_REACH)
    place = 0.5 * p + 0.5 * (logit + _LOGIT_REACH) / (2 * _LOGIT_REACH)
    numbers: NDArray[np.int64] = np.minimum((place * bins).astype(np.int64), bins - 1)
    return numbers


def area(negatives: NDArray[np.number], positives: NDArray[np.number]) -> Floats:
    """Areas from histograms `[bins, k]`, ties within a bin counted half (Mann and Whitney 1947); NaN for one class."""
    negatives, positives = np.asarray(negatives, np.float64), np.asarray(positives, np.float64)
    below = np.cumsum(negatives, axis=0) - negatives
    pairs = negatives.sum(axis=0) * positives.sum(axis=0)
    wins = np.sum(positives * (below + negatives / 2), axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        areas: Floats = np.where(pairs > 0, wins / pairs, np.nan)
    return areas


def error_bound(negatives: NDArray[np.number], positives: NDArray[np.number]) -> Floats:
    """Largest difference between `area` and the area of the scores themselves: half the pairs that share a bin."""
    negatives, positives = np.asarray(negatives, np.float64), np.asarray(positives, np.float64)
    pairs = negatives.sum(axis=0) * positives.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors: Floats = np.where(pairs > 0, np.sum(negatives * positives, axis=0) / (2 * pairs), np.nan)
    return errors

"""Bootstrap weights that depend on the example and the replicate alone, never on order, batch or shard.

A replicate of the Poisson bootstrap gives each example an independent Poisson(1) weight (Hanley and MacGibbon,
Computer Methods and Programs in Biomedicine 83 (2006), 57-62; Chamandy et al., Estimating uncertainty for massive data
streams, 2012). Here the weight is a hash of the example's id, the replicate's index and a seed, so that shards need no
agreement.
"""

import math

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
# One 64-bit hash holds four 16-bit lanes, one replicate each.
_LANES = 4


def mix(value: Ids) -> Ids:
    """SplitMix64's finalizer: a bijection of 64-bit words that changes half the bits (Steele et al., OOPSLA 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Ids = value ^ (value >> np.uint64(31))
    return mixed


def _thresholds() -> list[int]:
    """16-bit words at or above the k-th threshold mean a weight above k; Poisson(1) to within 1/65536."""
    cumulative, thresholds = 0.0, []
    for k in range(16):
        cumulative += math.exp(-1) / math.factorial(k)
        threshold = round(cumulative * 65536)
        if threshold > 65535:
            break
        thresholds.append(threshold)
    return thresholds


_THRESHOLDS = _thresholds()


def poisson_weights(ids: Ids, replicates: int, seed: int) -> NDArray[np.uint8]:
    """Weights `[batch, replicates]`, 0 to 8.

    Args:
        ids: 64-bit ids `[batch]`; equal ids get equal weights.
        replicates: Number of replicates, at least 1.
        seed: Any integer in [0, 2**64).
    """
    key = mix(np.asarray(ids, np.uint64) ^ mix(np.asarray([seed], np.uint64)))
    steps = np.arange(1, -(-replicates // _LANES) + 1, dtype=np.uint64) * _GOLDEN
    words = mix(key[:, None] + steps[None, :])
    # Little-endian whatever the machine, so that a lane is the same replicate everywhere.
    lanes = words.astype("<u8", copy=False).view("<u2")[:, :replicates]
    weights = np.zeros(lanes.shape, np.uint8)
    for threshold in _THRESHOLDS:
        weights += lanes >= threshold
    return weights


def unique_ids(digests: Ids) -> Ids:
    """Ids for all examples of a split: repeats of one record get different ids.

    The id mixes the digest with the repeat's number. Which of several equal records has which number depends on their
    order, but they are interchangeable (the same features, label and predictions), so that results do not. Call it once
    on the digests of the whole split: numbering each shard by itself would give repeats in two shards the same id.

    Args:
        digests: 64-bit content digests `[n]`.
    """
    digests = np.asarray(digests, np.uint64)
    order = np.argsort(digests, kind="stable")
    ordered = digests[order]
    place = np.arange(len(ordered))
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]
    number = (place - np.maximum.accumulate(np.where(first, place, 0))).astype(np.uint64)
    ids = np.empty_like(ordered)
    ids[order] = mix(ordered + number * _GOLDEN)
    return ids

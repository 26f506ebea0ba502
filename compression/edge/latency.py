"""How long a model takes for one example, measured so that other work on the host does the least harm."""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

ROUNDS = 3
WARMUP_INVOKES = 50
LARGEST_ROUND = 10_000
"""Invokes after which even the 99th percentile of a fast model stands still."""

_FEWEST_FOR_P99 = 100


@dataclass(frozen=True)
class Latency:
    """Time of one invocation with one example, copying of inputs and outputs not included.

    Several rounds are measured and the one with the lowest median counts: other work on the host can only add time.

    Attributes:
        p50_ms: Median of the best round.
        p90_ms: 90th percentile of the best round.
        p99_ms: 99th percentile of the best round; `None` with fewer than 100 invokes, of which it would be the slowest.
        invokes: Invokes in the best round.
        warmup_invokes: Invokes before the first round.
        rounds_p50_ms: Median of every round; they lie apart when the host is busy.
    """

    p50_ms: float
    p90_ms: float
    p99_ms: float | None
    invokes: int
    warmup_invokes: int
    rounds_p50_ms: tuple[float, ...]


def measure(prepare: Sequence[Callable[[], None]], invoke: Callable[[], None], seconds: float) -> Latency:
    """Times `invoke` as often as fits into `seconds`, at least once a round.

    Args:
        prepare: Called in turn before each invoke, outside the measured time: sets the inputs of an example.
        invoke: What is timed.
        seconds: Time for all rounds; warming up takes at most a quarter as long on top, or one invoke.
    """
    warmup = _round(prepare, invoke, seconds / 4, WARMUP_INVOKES)
    rounds = [_round(prepare, invoke, seconds / ROUNDS, LARGEST_ROUND) for _ in range(ROUNDS)]
    medians = [float(np.median(times)) for times in rounds]
    best = rounds[int(np.argmin(medians))]
    p50, p90, p99 = (float(value) for value in np.percentile(best, [50, 90, 99]))
    return Latency(
        p50_ms=p50,
        p90_ms=p90,
        p99_ms=p99 if len(best) >= _FEWEST_FOR_P99 else None,
        invokes=len(best),
        warmup_invokes=len(warmup),
        rounds_p50_ms=tuple(medians),
    )


def _round(
    prepare: Sequence[Callable[[], None]], invoke: Callable[[], None], seconds: float, largest: int
) -> list[float]:
    """Milliseconds of each invoke."""
    times: list[float] = []
    end = time.monotonic() + seconds
    collecting = gc.isenabled()
    gc.disable()
    try:
        while len(times) < largest and (not times or time.monotonic() < end):
            prepare[len(times) % len(prepare)]()
            start = time.perf_counter_ns()
            invoke()
            times.append((time.perf_counter_ns() - start) / 1e6)
    finally:
        if collecting:
            gc.enable()
    return times

"""Latency of several files in turns, so that other work on the host meets all of them alike."""

from collections.abc import Mapping

import numpy as np

from compression.edge.latency import measure
from compression.edge.litert import Session

_EXAMPLES = 10


def interleaved_medians(
    files: Mapping[str, bytes], features: Mapping[str, np.ndarray], *, repeats: int, seconds: float
) -> dict[str, float]:
    """Milliseconds for one example on one thread: the median over repeats of the median of each repeat.

    Args:
        files: TFLite files by name.
        features: Arrays `[examples, ...]` by name; the first few are asked in turn.
        repeats: How often each file has its turn.
        seconds: How long a turn takes.
    """
    sessions = {name: Session(content, "xnnpack", 1) for name, content in files.items()}
    found: dict[str, list[float]] = {name: [] for name in files}
    for _ in range(repeats):
        for name, session in sessions.items():
            examples = [session.prepare(features, position, raw=False) for position in range(_EXAMPLES)]
            setters = [lambda session=session, one=one: session.set_inputs(one) for one in examples]
            found[name].append(measure(setters, session.invoke, seconds).p50_ms)
    return {name: float(np.median(times)) for name, times in found.items()}

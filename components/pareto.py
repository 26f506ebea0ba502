"""The front of variants: those that no other beats in quality, size and latency at once."""

from collections.abc import Sequence

from components.outcomes import Outcome


def front(found: Sequence[Outcome]) -> set[str]:
    """Names of the variants on the front; a variant without all three numbers is not on it.

    The drop counts as quality, so that one direction serves all metrics.
    """
    points = {outcome.name: point for outcome in found if (point := _point(outcome)) is not None}
    return {
        name
        for name, point in points.items()
        if not any(_dominates(other, point) for key, other in points.items() if key != name)
    }


def _point(outcome: Outcome) -> tuple[float, int, float] | None:
    if outcome.overall is None or outcome.edge is None or outcome.edge.latency is None:
        return None
    (numbers, *_) = outcome.overall.metrics.values()
    if numbers["drop"] is None:
        return None
    return numbers["drop"], outcome.conversion["audit"]["gzip_bytes"], outcome.edge.latency.p50_ms


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(mine <= theirs for mine, theirs in zip(one, other, strict=True))

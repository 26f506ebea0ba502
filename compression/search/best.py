"""The best trial of a search, or why there is none."""

from collections.abc import Sequence

from compression.errors import CompressionError
from compression.search.space import describe
from compression.search.trial import Status, Trial, loss
from compression.settings import SearchSettings

_COSTS = {
    "max_size_bytes": ("size_bytes", "{:,} bytes"),
    "max_gzip_bytes": ("gzip_bytes", "{:,} bytes after gzip"),
    "max_macs": ("macs", "{:,} multiply-accumulates"),
}


def best(trials: Sequence[Trial], settings: SearchSettings, metric: str) -> Trial:
    """The completed trial with the best value; of equals the smallest file, then the earliest.

    Args:
        trials: All trials of the search.
        settings: Its budgets, for the message.
        metric: Name of the metric; gives the direction.

    Raises:
        CompressionError: None completed; it names the smallest model seen, or the first failure.
    """
    completed = [trial for trial in trials if trial.status is Status.COMPLETED]
    if not completed:
        raise CompressionError(_none_completed(trials, settings))
    return min(completed, key=lambda trial: (loss(trial, metric), trial.size_bytes))


def _none_completed(trials: Sequence[Trial], settings: SearchSettings) -> str:
    failed = [trial for trial in trials if trial.status is Status.FAILED]
    over = [trial for trial in trials if trial.status is Status.OVER_BUDGET]
    counts = f"{len(failed)} that failed and {len(over)} over a budget" if failed else f"{len(over)} over a budget"
    parts = [f"a search must complete at least one trial, got {counts}"]
    if failed:
        parts.append(f"{describe(failed[0].hparams)} failed: {failed[0].reason}")
    if over:
        given = {name: limit for name in _COSTS if (limit := getattr(settings, name)) is not None}
        broken = {name: limit for name, limit in given.items() if not _kept(over, name, limit)}
        parts += [_least(over, name, limit) for name, limit in (broken or given).items()]
        parts.append("raise the budget, or add smaller values to search_space")
    return "; ".join(parts)


def _costs(trials: Sequence[Trial], budget: str) -> list[tuple[int, Trial]]:
    """What was measured, with the trial."""
    field, _ = _COSTS[budget]
    return [(cost, trial) for trial in trials if (cost := getattr(trial, field)) is not None]


def _kept(trials: Sequence[Trial], budget: str, limit: int) -> bool:
    return any(cost <= limit for cost, _ in _costs(trials, budget))


def _least(trials: Sequence[Trial], budget: str, limit: int) -> str:
    field, words = _COSTS[budget]
    costs = _costs(trials, budget)
    if not costs:
        return f"{budget} is {limit:,}, and nothing was measured: {trials[0].not_measured.get(field)}"
    least, trial = min(costs, key=lambda pair: pair[0])
    return f"{budget} is {limit:,}, the least seen is {words.format(least)} ({describe(trial.hparams)})"

"""Two models' right and wrong answers to the same examples, as four counts."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from compression.statistics import exact, score
from compression.statistics.bounds import Bounds
from compression.statistics.proportion import exact_bounds, wilson_bounds

Method = Literal["exact", "score"]
Task = Literal["binary", "multiclass"]

# Above this many examples the score bound errs on the wrong side by less than 0.0003 (docs/gate-statistics.md), and
# the exact bound begins to take seconds.
EXACT_UP_TO = 20_000


@dataclass(frozen=True)
class PairedCounts:
    """Sufficient statistics for two accuracies on the same examples; counts of shards add up exactly.

    Attributes:
        n: Number of examples.
        both: How many both models answer right.
        baseline_only: How many only the baseline answers right.
        candidate_only: How many only the candidate answers right.
        invalid: Predictions of either model that are not finite; they count as wrong answers.
    """

    n: int = 0
    both: int = 0
    baseline_only: int = 0
    candidate_only: int = 0
    invalid: int = 0

    def __post_init__(self) -> None:
        known = self.both + self.baseline_only + self.candidate_only
        if min(self.both, self.baseline_only, self.candidate_only, self.invalid, self.n - known) < 0:
            raise ValueError(f"counts must be at least 0 and right answers at most n, got {self}; count them anew")

    def __add__(self, other: "PairedCounts") -> "PairedCounts":
        return PairedCounts(
            self.n + other.n,
            self.both + other.both,
            self.baseline_only + other.baseline_only,
            self.candidate_only + other.candidate_only,
            self.invalid + other.invalid,
        )

    @property
    def drop(self) -> float:
        """Loss of accuracy from baseline to candidate; NaN without examples."""
        return (self.baseline_only - self.candidate_only) / self.n if self.n else float("nan")

    @property
    def baseline(self) -> float:
        """The baseline's accuracy; NaN without examples."""
        return (self.both + self.baseline_only) / self.n if self.n else float("nan")

    @property
    def candidate(self) -> float:
        """The candidate's accuracy; NaN without examples."""
        return (self.both + self.candidate_only) / self.n if self.n else float("nan")


def right_answers(
    task: Task, label: NDArray[np.generic], prediction: NDArray[np.floating]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which answers of a batch are right, and which predictions are finite.

    Args:
        task: `multiclass`: the first largest of `[batch, C]` is the answer; `binary`: `[batch]` or `[batch, 1]`, above
            0.5 means 1, as in Keras.
        label: `[batch]` or `[batch, 1]`.
        prediction: Probabilities.

    Returns:
        Two arrays `[batch]`: right, and finite. A prediction that is not finite is not right.
    """
    truth = np.asarray(label).reshape(-1)
    table = np.asarray(prediction).reshape(len(truth), -1)
    finite: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(table), axis=1)
    answer: NDArray[np.int64] = (
        np.argmax(table, axis=1) if task == "multiclass" else (table[:, 0] > 0.5).astype(np.int64)
    )
    right: NDArray[np.bool_] = np.logical_and(answer == truth, finite)
    return right, finite


def count_pairs(
    task: Task, label: NDArray[np.generic], baseline: NDArray[np.floating], candidate: NDArray[np.floating]
) -> PairedCounts:
    """Counts of one batch; see `right_answers` for shapes."""
    right_b, finite_b = right_answers(task, label, baseline)
    right_c, finite_c = right_answers(task, label, candidate)
    return PairedCounts(
        n=len(right_b),
        both=int(np.sum(right_b & right_c)),
        baseline_only=int(np.sum(right_b & ~right_c)),
        candidate_only=int(np.sum(~right_b & right_c)),
        invalid=int(np.sum(~finite_b) + np.sum(~finite_c)),
    )


def default_method(n: int) -> Method:
    """The exact bound while it is quick, the score bound where both agree; docs/gate-statistics.md says why."""
    return "exact" if n <= EXACT_UP_TO else "score"


def accuracy_drop_bounds(counts: PairedCounts, confidence: float, method: Method | None = None) -> Bounds:
    """The drop of accuracy with one-sided bounds, in [-1, 1].

    Args:
        counts: What both models answered.
        confidence: One-sided, in (0, 1).
        method: `exact`: coverage is guaranteed; `score`: Tango's; by default what `default_method` says.
    """
    n, b, c = counts.n, counts.baseline_only, counts.candidate_only
    if not n:
        return Bounds(float("nan"), -1.0, 1.0, confidence, 0, counts.invalid)
    if (method or default_method(n)) == "exact":
        lower, upper = exact.lower_bound(n, b, c, confidence), exact.upper_bound(n, b, c, confidence)
    else:
        lower, upper = (float(bound(n, b, c, confidence)) for bound in (score.lower_bound, score.upper_bound))
    return Bounds(counts.drop, lower, upper, confidence, n, counts.invalid)


def accuracy_bounds(counts: PairedCounts, confidence: float, method: Method | None = None) -> Bounds:
    """The candidate's own accuracy with one-sided bounds: Clopper-Pearson (`exact`) or Wilson (`score`)."""
    right = counts.both + counts.candidate_only
    chosen = method or default_method(counts.n)
    lower, upper = (exact_bounds if chosen == "exact" else wilson_bounds)(right, counts.n, confidence)
    return Bounds(counts.candidate, lower, upper, confidence, counts.n, counts.invalid)

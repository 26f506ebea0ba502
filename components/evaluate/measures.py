"""From a slice's sums to numbers: values, paired bounds, counts. Flat names, because results are stored under them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from components.evaluate.spec import Rule, SliceRule
from components.evaluate.tally import BASELINE_AXIS, CANDIDATE_AXIS, Tally
from compression.outputs import of_output, parted
from compression.settings.metrics import metric_row, title
from compression.statistics import bootstrap, intervals, paired
from compression.statistics.bounds import Bounds
from compression.statistics.decision import Decision, decide
from compression.statistics.power import needed_for_accuracy

EXAMPLE_COUNT = "example_count"
INVALID = "invalid_predictions"
BASELINE_INVALID = "baseline_invalid_predictions"
"""A candidate compared with answers that are none would look as good as one likes, so that these block as well."""
CONFUSION = "confusion_matrix"
PAIRS = ("both_right", "baseline_only_right", "candidate_only_right")

QUICK_FROM = 2_000
"""From so many examples on a slice's accuracy has the score bound, which takes microseconds, not a tenth of a second.

There it passes a bad model in at most 5.08 % of all cases instead of 5 % (all allowed drops from 0.005 to 0.1 and all
shares of differing answers, by `passing_probability`); the overall slice keeps the exact bound as long as it is quick.
"""

Value = float | np.ndarray

_BOUNDS = {"max_drop": "drop", "max_drop_percent": "drop_percent", "min_value": "value", "max_value": "value"}
"""Which bounds a rule is about."""


@dataclass(frozen=True)
class Measured:
    """One slice in numbers.

    Attributes:
        candidate: Values by name, as they are stored.
        baseline: The same for the baseline; no bounds.
    """

    candidate: Mapping[str, Value]
    baseline: Mapping[str, Value]

    def of_output(self, output: str) -> "Measured":
        """The same under names that say which output they are of."""
        named = ({of_output(output, name): value for name, value in part.items()} for part in vars(self).values())
        return Measured(*named)

    def __or__(self, other: "Measured") -> "Measured":
        return Measured({**self.candidate, **other.candidate}, {**self.baseline, **other.baseline})


def measure(metrics: tuple[str, ...], tally: Tally, confidence: float, *, quick: bool = False) -> Measured:
    """Every number of one output on a slice.

    Args:
        metrics: Keys of `METRICS`.
        tally: The slice.
        confidence: One-sided, of every bound.
        quick: Whether the slice is one of many; see `QUICK_FROM`.
    """
    examples, invalid = float(tally.examples), tally.invalid.astype(np.float64).tolist()
    candidate: dict[str, Value] = {EXAMPLE_COUNT: examples, INVALID: invalid[CANDIDATE_AXIS]}
    baseline: dict[str, Value] = {EXAMPLE_COUNT: examples, INVALID: invalid[BASELINE_AXIS]}
    candidate[BASELINE_INVALID] = invalid[BASELINE_AXIS]
    if tally.pairs.n:
        counts = (tally.pairs.both, tally.pairs.baseline_only, tally.pairs.candidate_only)
        candidate |= {name: float(count) for name, count in zip(PAIRS, counts, strict=True)}
    if tally.confusion is not None:
        candidate[CONFUSION], baseline[CONFUSION] = tally.confusion[CANDIDATE_AXIS], tally.confusion[BASELINE_AXIS]
    for metric in metrics:
        kinds = (
            _accuracy(tally, confidence, quick) if metric == "accuracy" else _bootstrapped(tally, metric, confidence)
        )
        candidate[metric] = kinds["value"].estimate
        baseline[metric] = kinds.pop("baseline").estimate
        for kind, bounds in kinds.items():
            candidate |= _flat(f"{metric}_{kind}", bounds)
    return Measured(candidate, baseline)


def _accuracy(tally: Tally, confidence: float, quick: bool) -> dict[str, Bounds]:
    pairs = tally.pairs
    method = "score" if quick and pairs.n >= QUICK_FROM else None
    drop = paired.accuracy_drop_bounds(pairs, confidence, method)
    return {
        "drop": drop,
        "drop_percent": _percent(drop, pairs.baseline),
        "value": paired.accuracy_bounds(pairs, confidence, method),
        "baseline": Bounds(pairs.baseline, -np.inf, np.inf, confidence, pairs.n),
    }


def _percent(drop: Bounds, baseline: float) -> Bounds:
    """In percent of the baseline's accuracy in the sample; nothing is known where that is 0 or undefined."""
    if not baseline > 0:
        return replace(drop, estimate=np.nan, lower=-np.inf, upper=np.inf)
    values = (100 * value / baseline for value in (drop.estimate, drop.lower, drop.upper))
    return replace(drop, **dict(zip(("estimate", "lower", "upper"), values, strict=True)))


def _bootstrapped(tally: Tally, metric: str, confidence: float) -> dict[str, Bounds]:
    if metric not in tally.accumulators:
        return dict.fromkeys(("drop", "drop_percent", "value", "baseline"), _nothing(confidence))
    found = bootstrap.result(tally.accumulators[metric])
    return {
        "drop": intervals.drop_bounds(found, confidence),
        "drop_percent": intervals.drop_bounds(found, confidence, percent=True),
        "value": intervals.value_bounds(found, confidence, model=CANDIDATE_AXIS),
        "baseline": intervals.value_bounds(found, confidence, model=BASELINE_AXIS),
    }


def _nothing(confidence: float) -> Bounds:
    return Bounds(np.nan, -np.inf, np.inf, confidence, 0)


def bounds_name(rule: str, metric: str) -> str:
    """Prefix of the names under which the bounds that a rule is about are stored."""
    return f"{metric}_{_BOUNDS[rule]}"


def _flat(name: str, bounds: Bounds) -> dict[str, Value]:
    return {
        name: bounds.estimate,
        f"{name}_lower": bounds.lower,
        f"{name}_upper": bounds.upper,
        f"{name}_examples": float(bounds.examples),
    }


def read_bounds(stored: Mapping[str, Value], name: str, confidence: float) -> Bounds:
    """The inverse of how bounds are stored; what was not computed is NaN, which nothing passes."""
    return Bounds(
        estimate=float(stored.get(name, np.nan)),
        lower=float(stored.get(f"{name}_lower", -np.inf)),
        upper=float(stored.get(f"{name}_upper", np.inf)),
        confidence=confidence,
        examples=int(stored.get(f"{name}_examples", 0)),
        invalid=int(stored.get(INVALID, 0)) + int(stored.get(BASELINE_INVALID, 0)),
    )


def decisions(rule: Rule, stored: Mapping[str, Value], confidence: float) -> list[Decision]:
    """Every threshold of a rule, decided on the stored numbers of one slice."""
    output, metric = parted(rule.metric)
    own = of_one(stored, output)
    words = {"title": title(rule.metric), "worsens": "drop" if metric_row(metric).higher_is_better else "rise"}
    made = []
    for name in _BOUNDS:
        limit = getattr(rule, name)
        if limit is None:
            continue
        bounds = read_bounds(own, bounds_name(name, metric), confidence)
        decision = decide(bounds, name, limit, **words)
        if metric == "accuracy" and name == "max_drop" and decision.state == "not_enough_data":
            needed = needed_for_accuracy(read_pairs(own), limit, confidence)
            decision = decide(bounds, name, limit, **words, needed=needed)
        made.append(decision)
    return made


def of_one(stored: Mapping[str, Value], output: str) -> dict[str, Value]:
    """The stored numbers of one output under their plain names."""
    return {plain: value for name, value in stored.items() for of, plain in [parted(name)] if of == output}


def examples(stored: Mapping[str, Value]) -> int:
    """Number of examples of a slice, which is the same for all outputs; 0 where nothing was stored."""
    return int(next((value for name, value in stored.items() if parted(name)[1] == EXAMPLE_COUNT), 0))


def read_pairs(stored: Mapping[str, Value]) -> paired.PairedCounts:
    """Right and wrong answers as they were stored."""
    both, baseline_only, candidate_only = (int(stored.get(name, 0)) for name in PAIRS)
    return paired.PairedCounts(int(stored.get(EXAMPLE_COUNT, 0)), both, baseline_only, candidate_only)


def thresholds(part: SliceRule) -> dict[str, tuple[float | None, float | None]]:
    """The same rules as lower and upper limits of stored names, for TFMA's validation; none without rules."""
    limits: dict[str, tuple[float | None, float | None]] = {}
    for rule in part.rules:
        output, _ = parted(rule.metric)
        limits[of_output(output, EXAMPLE_COUNT)] = (float(part.min_examples), None)
        limits |= dict.fromkeys((of_output(output, INVALID), of_output(output, BASELINE_INVALID)), (None, 0.0))
        for name in _BOUNDS:
            limit = getattr(rule, name)
            if limit is not None:
                prefix = bounds_name(name, rule.metric)
                lower = name == "min_value"
                limits[f"{prefix}_lower" if lower else f"{prefix}_upper"] = (limit, None) if lower else (None, limit)
    return limits

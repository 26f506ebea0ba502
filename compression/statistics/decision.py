"""The gate's three answers: passed, blocked, not enough data."""

import math
from dataclasses import dataclass
from typing import Literal

from compression.statistics.bounds import MIN_EXAMPLES, Bounds

State = Literal["passed", "blocked", "not_enough_data"]
Rule = Literal["max_drop", "max_drop_percent", "min_value", "max_value"]

# Beyond this a number of examples is no advice.
_MOST_EXAMPLES = 100_000_000


@dataclass(frozen=True)
class Decision:
    """One rule, decided.

    Attributes:
        rule: Which rule.
        state: `passed` and `blocked` are statements at the bounds' confidence; `not_enough_data` blocks too.
        limit: What the rule allows, in the unit of the bounds.
        bounds: What was measured.
        needed_examples: How many examples would do, if they show what these show; None where the state is not
            `not_enough_data` or where no number would do.
        reason: In words: what was measured, what must hold, what to do.
    """

    rule: Rule
    state: State
    limit: float
    bounds: Bounds
    needed_examples: int | None
    reason: str


def per_variant_confidence(confidence: float, variants: int) -> float:
    """One-sided confidence for each of several variants, such that `confidence` holds for all together (Bonferroni).

    >>> round(per_variant_confidence(0.95, 5), 4)
    0.99
    """
    if not 0 < confidence < 1 or variants < 1:
        raise ValueError(f"confidence must be in (0, 1) and variants at least 1, got {confidence} and {variants}")
    return 1 - (1 - confidence) / variants


def decide(
    bounds: Bounds,
    rule: Rule,
    limit: float,
    *,
    title: str = "the metric",
    worsens: str = "drop",
    needed: int | None = None,
) -> Decision:
    """Passed when the bounds are on the allowed side of `limit`, blocked when they are beyond it.

    Args:
        bounds: Of the drop for `max_drop` and `max_drop_percent`, of the candidate's own value for the others.
        rule: Which rule; of `min_value` alone larger values are better.
        limit: What is allowed, in the unit of the bounds.
        title: How people write the metric.
        worsens: What the metric does when quality is lost: `drop`, or `rise` where lower is better.
        needed: How many examples would do, where the caller knows better than the square-root law.
    """
    state = _state(bounds, limit, smaller_is_better=rule != "min_value")
    enough = None
    if state == "not_enough_data":
        enough = needed if needed is not None else needed_examples(bounds, limit, smaller_is_better=rule != "min_value")
    return Decision(rule, state, limit, bounds, enough, _reason(bounds, rule, limit, state, enough, title, worsens))


def _state(bounds: Bounds, limit: float, *, smaller_is_better: bool) -> State:
    if bounds.invalid or math.isnan(limit) or math.isnan(bounds.lower) or math.isnan(bounds.upper):
        return "blocked"
    if math.isnan(bounds.estimate):
        return "blocked" if bounds.examples else "not_enough_data"
    if smaller_is_better:
        return "passed" if bounds.upper <= limit else "blocked" if bounds.lower > limit else "not_enough_data"
    return "passed" if bounds.lower >= limit else "blocked" if bounds.upper < limit else "not_enough_data"


def needed_examples(bounds: Bounds, limit: float, *, smaller_is_better: bool = True) -> int | None:
    """How many examples would pass, if the estimate stayed and its error shrank with the square root of their number.

    None when the estimate itself is on the wrong side of `limit`: more examples would more likely block.
    """
    room = limit - bounds.estimate if smaller_is_better else bounds.estimate - limit
    reach = bounds.upper - bounds.estimate if smaller_is_better else bounds.estimate - bounds.lower
    if not room > 0 or not bounds.examples:
        return None
    if not math.isfinite(reach):
        return MIN_EXAMPLES if bounds.examples < MIN_EXAMPLES else None
    needed = bounds.examples * max(1.0, reach / room) ** 2
    return math.ceil(needed) if needed <= _MOST_EXAMPLES else None


def _reason(
    bounds: Bounds, rule: Rule, limit: float, state: State, needed: int | None, title: str, worsens: str
) -> str:
    if bounds.invalid:
        return f"predictions must be finite, {bounds.invalid} are not; mend the model"
    percent = " %" if rule == "max_drop_percent" else ""
    must = {"min_value": "must be at least", "max_value": "must be at most"}.get(rule, f"may {worsens} by at most")
    text = f"{title} {must} {limit:g}{percent}"
    if not math.isfinite(bounds.estimate):
        return f"{text}, but {bounds.examples} examples do not define it; add examples of every kind"
    verb = f"{worsens}s by" if rule.startswith("max_drop") else "is"
    text = f"{text}; it {verb} {bounds.estimate:.4g}{percent}"
    if math.isfinite(bounds.lower) and math.isfinite(bounds.upper):
        sure = f"{100 * bounds.confidence:.4g} % sure each"
        text = f"{text} (at least {bounds.lower:.4g}, at most {bounds.upper:.4g}, {sure})"
    if state != "not_enough_data":
        return text
    advice = f"about {needed} would do if they show the same" if needed else "more like them would hardly pass"
    return f"{text}; {bounds.examples} examples cannot decide, {advice}"

"""What the results say: passed, blocked or not enough data, slice by slice, in words."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from components.evaluate import measures
from components.evaluate.slices import SliceKey
from components.evaluate.spec import BASELINE, CANDIDATE, GateSpec, Rule, SliceRule
from compression.outputs import of_output, parted
from compression.statistics.bounds import Bounds
from compression.statistics.decision import Decision

VERDICT_FILE = "gate.json"

State = Literal["passed", "blocked", "not_enough_data"]
Results = Mapping[SliceKey, Mapping[str, Mapping[str, measures.Value]]]


@dataclass(frozen=True)
class Check:
    """One rule for one slice, decided.

    Attributes:
        slice: Name of the slice; empty for all examples.
        metric: The rule's metric, of one of several outputs `output/metric`; empty where there was nothing to compute
            it from.
        rule: Which threshold, `examples` for the size of the slice.
        state: `passed`, `blocked` or `not_enough_data`.
        limit: The threshold.
        value: What was measured; `None` where it is undefined.
        lower: Lower confidence bound of the value.
        upper: Upper confidence bound of the value.
        needed_examples: How many examples would decide, where that can be said.
        reason: In words.
    """

    slice: str
    metric: str
    rule: str
    state: State
    limit: float
    value: float | None
    lower: float | None
    upper: float | None
    needed_examples: int | None
    reason: str


@dataclass(frozen=True)
class SliceResult:
    """One slice, judged or only reported.

    Attributes:
        slice: Name of the slice; empty for all examples.
        values: Its columns and values.
        examples: Number of examples.
        state: Of its rules together; `None` for a slice without rules.
        metrics: By name, as in `Check`, `{candidate, baseline, drop, drop_ci}`.
    """

    slice: str
    values: dict[str, str | int | float]
    examples: int
    state: State | None
    metrics: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Verdict:
    """The gate's answer for one candidate.

    Attributes:
        state: `passed` only when every rule of every slice holds, and there was something to judge.
        confidence: One-sided, of every bound.
        slices: All slices; the overall one, named by the empty text, comes first.
        checks: All rules.
        confusion: Confusion matrices of all examples by model, of several outputs by `output/model`, label by answer;
            empty without classes.
        champion: `{version, metrics: {name: {candidate, champion, drop, drop_ci}}, not_compared}`, the last being why
            nothing was compared, in words; `None` when the gate does not ask for the champion.
    """

    state: State
    confidence: float
    slices: tuple[SliceResult, ...]
    checks: tuple[Check, ...]
    confusion: dict[str, list[list[int]]]
    champion: dict[str, Any] | None = None

    @property
    def reasons(self) -> list[str]:
        """Why the candidate does not pass."""
        return [check.reason for check in self.checks if check.state != "passed"]

    def to_json(self) -> str:
        """Strict JSON: what is undefined or unbounded is null."""
        return json.dumps(asdict(self) | {"reasons": self.reasons}, allow_nan=False)


def judge(spec: GateSpec, results: Results) -> Verdict:
    """Decides every rule on the stored results.

    Args:
        spec: The gate's.
        results: As `tfma_results.read` returns them.
    """
    checks = [check for part in spec.judged if part.rules for check in _check_part(part, results, spec.level)]
    ordered = sorted(results, key=lambda key: (len(key), repr(key)))
    slices = tuple(_slice_result(spec, key, results[key], checks) for key in ordered)
    return Verdict(together(checks), spec.level, slices, tuple(checks), _confusion(results))


def _check_part(part: SliceRule, results: Results, level: float) -> list[Check]:
    covered = [key for key in results if part.covers(key)]
    if not covered:
        name = " and ".join((*part.features, *(f"{name}={value}" for name, value in part.values.items())))
        return [_too_few(name, 0, part.min_examples)]
    return [check for key in covered for check in _check_slice(part, key, results[key][CANDIDATE], level)]


def _check_slice(part: SliceRule, key: SliceKey, stored: Mapping[str, measures.Value], level: float) -> list[Check]:
    examples = measures.examples(stored)
    if examples < part.min_examples:
        return [_too_few(slice_name(key), examples, part.min_examples)]
    return [
        _check(slice_name(key), rule, decision)
        for rule in part.rules
        for decision in measures.decisions(rule, stored, level)
    ]


def _too_few(name: str, examples: int, wanted: int) -> Check:
    where = f"slice {name}" if name else "the eval split"
    reason = (
        f"{where} must hold at least {wanted} examples, got {examples}: not enough data; collect more or judge a "
        "coarser slice"
    )
    return Check(name, "", "examples", "not_enough_data", wanted, examples, None, None, wanted, reason)


def _check(name: str, rule: Rule, decision: Decision) -> Check:
    bounds = decision.bounds
    return Check(
        slice=name,
        metric=rule.metric,
        rule=decision.rule,
        state=decision.state,
        limit=decision.limit,
        value=_finite(bounds.estimate),
        lower=_finite(bounds.lower),
        upper=_finite(bounds.upper),
        needed_examples=decision.needed_examples,
        reason=f"slice {name}: {decision.reason}" if name else decision.reason,
    )


def check_rules(spec: GateSpec, stored: Mapping[str, measures.Value]) -> list[Check]:
    """Decides the rules for all examples together on the numbers that are stored of them."""
    return [check for part in spec.judged[:1] for check in _check_slice(part, (), stored, spec.level)]


def together(checks: Sequence[Check]) -> State:
    """The state of rules that must all hold."""
    states = {check.state for check in checks}
    if "blocked" in states or not states:
        return "blocked"
    return "not_enough_data" if "not_enough_data" in states else "passed"


def _slice_result(
    spec: GateSpec, key: SliceKey, models: Mapping[str, Mapping[str, measures.Value]], checks: Sequence[Check]
) -> SliceResult:
    own = [check for check in checks if check.slice == slice_name(key)]
    examples = measures.examples(models[CANDIDATE])
    metrics = metric_numbers(spec, models)
    return SliceResult(slice_name(key), dict(key), examples, together(own) if own else None, metrics)


def metric_numbers(spec: GateSpec, models: Mapping[str, Mapping[str, measures.Value]]) -> dict[str, dict[str, Any]]:
    """`{candidate, baseline, drop, drop_ci}` of every metric, on one slice."""
    metrics = {}
    for metric in spec.all_metrics:
        output, plain = parted(metric)
        stored = measures.of_one(models[CANDIDATE], output)
        bounds: Bounds = measures.read_bounds(stored, measures.bounds_name("max_drop", plain), spec.level)
        metrics[metric] = {
            "candidate": _finite(models[CANDIDATE].get(metric)),
            "baseline": _finite(models[BASELINE].get(metric)),
            "drop": _finite(bounds.estimate),
            "drop_ci": [_finite(bounds.lower), _finite(bounds.upper)],
        }
    return metrics


def slice_name(key: SliceKey) -> str:
    """How people read a slice: `sex=f and age=3`; empty for all examples."""
    return " and ".join(f"{name}={value}" for name, value in key)


def _confusion(results: Results) -> dict[str, list[list[int]]]:
    return {
        of_output(output, model): np.asarray(value).tolist()
        for model, values in results.get((), {}).items()
        for name, value in values.items()
        for output, plain in [parted(name)]
        if plain == measures.CONFUSION
    }


def _finite(value: measures.Value | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def read_verdict(evaluation_uri: str) -> Verdict:
    """What the gate decided, from its evaluation artifact."""
    with tf.io.gfile.GFile(f"{evaluation_uri}/{VERDICT_FILE}") as stream:
        content = json.load(stream)
    return Verdict(
        state=content["state"],
        confidence=content["confidence"],
        slices=tuple(SliceResult(**entry) for entry in content["slices"]),
        checks=tuple(Check(**entry) for entry in content["checks"]),
        confusion=content["confusion"],
        champion=content.get("champion"),
    )

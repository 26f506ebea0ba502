"""One variant of the summary."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from components.outcomes import Outcome
from compression.edge.report import EdgeReport
from compression.outputs import parted


def describe(
    outcome: Outcome,
    steps: Sequence[str],
    nodes: Mapping[str, str],
    metric: str,
    on_front: bool,
    not_compared: str | None,
) -> dict[str, Any]:
    """What became of a variant, as `pipeline/summary_schema.json` says.

    Args:
        outcome: The variant.
        steps: Its steps in words.
        nodes: Ids of its nodes `quantize`, `gate` and `edge`.
        metric: The metric of the gate's first rule, of one of several outputs `output/metric`.
        on_front: Whether no other variant is better or equal in metric, size and latency.
        not_compared: Why it was not compared with a champion; `None` when it was.
    """
    overall, audit, edge = outcome.overall, outcome.conversion.get("audit", {}), outcome.edge
    numbers = overall.metrics[metric] if overall else {}
    compared = outcome.beside_champion(metric)
    return {
        "name": outcome.name,
        "steps": list(steps),
        "status": outcome.status,
        "stage": nodes[outcome.stage] if outcome.stage else None,
        "metric": metric,
        "value": numbers.get("candidate"),
        "drop": numbers.get("drop"),
        "drop_ci": _bounded(numbers),
        "drop_vs_champion": compared.get("drop"),
        "drop_vs_champion_ci": _bounded(compared),
        "gates": [_gate(check) for check in outcome.verdict.checks] if outcome.verdict else [],
        "slices": [asdict(part) for part in outcome.verdict.slices[1:]] if outcome.verdict else [],
        "size_bytes": audit.get("size_bytes"),
        "gzip_bytes": audit.get("gzip_bytes"),
        **sizes(outcome.conversion),
        "latency_ms": latency(edge),
        "arena_bytes": edge.arena_bytes if edge else None,
        "macs": edge.macs if edge else None,
        "sparsity": audit.get("sparsity"),
        "distinct_weights": audit.get("distinct_weights"),
        "on_front": on_front,
        "audit": _audit(outcome) if audit else None,
        "blessed": outcome.blessed,
        "reasons": outcome.reasons,
        "not_measured": {**not_measured(outcome, metric), **_no_champion(not_compared, compared)},
    }


def sizes(conversion: Mapping[str, Any]) -> dict[str, int | None]:
    """The sizes beyond raw and gzip, from the report of a conversion; see docs/sizes.md."""
    return {name: conversion.get("sizes", {}).get(name) for name in ("entropy_bytes", "lut_bytes")}


def sizes_not_measured(conversion: Mapping[str, Any]) -> dict[str, str]:
    """Why `sizes` has no number."""
    if not conversion:
        return dict.fromkeys(("entropy_bytes", "lut_bytes"), "there is no file")
    return dict(conversion.get("sizes", {}).get("not_measured", {}))


def latency(edge: EdgeReport | None) -> dict[str, float | None] | None:
    """Percentiles of the time for one example on this host, in ms."""
    if edge is None or edge.latency is None:
        return None
    return {"p50": edge.latency.p50_ms, "p90": edge.latency.p90_ms, "p99": edge.latency.p99_ms}


def not_measured(outcome: Outcome, metric: str) -> dict[str, str]:
    """Why there is no number for what gate and edge check should measure."""
    missing = sizes_not_measured(outcome.conversion)
    if outcome.overall is None:
        missing |= dict.fromkeys(("value", "drop", "drop_ci"), "the gate did not report")
    elif _bounded(outcome.overall.metrics[metric]) is None:
        missing["drop_ci"] = "the eval examples do not bound it"
    if outcome.edge is None:
        return missing | dict.fromkeys(("latency_ms", "arena_bytes", "macs"), "the edge check did not report")
    names = {"latency": "latency_ms", "arena_bytes": "arena_bytes", "macs": "macs"}
    return missing | {names[field]: why for field, why in outcome.edge.not_measured.items() if field in names}


def _no_champion(not_compared: str | None, compared: Mapping[str, Any]) -> dict[str, str]:
    if not_compared:
        return dict.fromkeys(("drop_vs_champion", "drop_vs_champion_ci"), not_compared)
    return {} if _bounded(compared) else {"drop_vs_champion_ci": "the eval examples do not bound it"}


def _bounded(numbers: Mapping[str, Any]) -> list[float] | None:
    bounds = numbers.get("drop_ci") or [None]
    return None if None in bounds else bounds


def _gate(check: Any) -> dict[str, Any]:  # noqa: ANN401 - the gate's `Check`
    return {
        "output": parted(check.metric)[0],
        "metric": check.metric,
        "rule": check.rule,
        "slice": check.slice,
        "state": check.state,
        "passed": check.state == "passed",
        "threshold": check.limit,
        "value": check.value,
        "bounds": [check.lower, check.upper],
        "needed_examples": check.needed_examples,
    }


def _audit(outcome: Outcome) -> Mapping[str, Any]:
    conversion = outcome.conversion
    return {
        **conversion["audit"],
        "promises": conversion["promises"],
        "inputs": conversion["inputs"],
        "outputs": conversion["outputs"],
        "left_float": [layer for report in outcome.reports for layer in report.get("left_float", [])],
        "max_abs_error": _finite(conversion["max_abs_error"]),
        "validation": _finite(conversion["validation"]),
        "raw_inputs": conversion.get("raw_inputs"),
    }


def _finite(value: float) -> float | None:
    """JSON knows no NaN; a number that is none was not measured."""
    return value if math.isfinite(value) else None

"""The table of variants, the float model first."""

from typing import Any

from report.run.facts import Context, Facts, Variant

MARKS = {"passed": "good", "blocked": "warn", "not_enough_data": "warn", "failed": "bad", "not_run": ""}
"""Status to the class of its badge."""


def context(facts: Facts) -> Context:
    """`rows`, one for each variant, and `baseline`."""
    if not facts.variants:
        return {"missing": "the configuration has no variants"}
    return {
        "missing": None,
        "metric": facts.metric,
        "baseline": facts.summary["baseline"],
        "rows": [_row(facts, variant) for variant in facts.variants],
        "chosen_because": facts.summary["selection_reason"],
        "method": facts.summary["gate_method"],
    }


def _row(facts: Facts, variant: Variant) -> dict[str, Any]:
    return {
        **variant,
        "mark": MARKS[variant["status"]],
        "chosen": variant["name"] == facts.summary["selected"],
        "value_bounds": _value_bounds(variant),
        "p50": (variant["latency_ms"] or {}).get("p50"),
        "p90": (variant["latency_ms"] or {}).get("p90"),
    }


def _value_bounds(variant: Variant) -> list[float] | None:
    """Bounds of the metric itself: only a rule about its value has the gate make them."""
    for gate in variant["gates"]:
        about_value = gate["rule"] in ("min_value", "max_value") and not gate["slice"]
        if about_value and gate["metric"] == variant["metric"] and None not in gate["bounds"]:
            bounds: list[float] = gate["bounds"]
            return bounds
    return None

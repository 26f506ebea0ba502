"""Budgets, judged: one that was not measured is not met."""

from collections.abc import Mapping
from typing import Any

from compression.edge.report import Budget
from compression.settings.edge import EdgeSettings

MEASURES: dict[str, tuple[str, str]] = {
    "max_size_bytes": ("size_bytes", "the file must have at most {limit:,} bytes, got {value:,}"),
    "max_gzip_bytes": ("gzip_bytes", "the file must have at most {limit:,} bytes after gzip, got {value:,}"),
    "max_latency_ms": (
        "budget_latency_ms",
        "9 of 10 invocations must take at most {limit:g} ms for one example, got {value:.4g} ms",
    ),
    "max_arena_bytes": ("arena_bytes", "activations must need at most {limit:,} bytes, got {value:,}"),
    "max_macs": ("macs", "one example must take at most {limit:,} multiply-accumulates, got {value:,}"),
}
"""Budget -> field of the report, and what must hold."""


def judge(settings: EdgeSettings, measured: Mapping[str, Any], not_measured: Mapping[str, str]) -> tuple[Budget, ...]:
    """Every budget that is given, with its verdict.

    Args:
        settings: The budgets.
        measured: Fields of the report.
        not_measured: Why fields are missing.
    """
    budgets = []
    for name, (field, words) in MEASURES.items():
        limit = getattr(settings, name)
        if limit is None:
            continue
        value = measured.get(field)
        if value is None:
            reason = f"{name} is {limit:,} and must be measured, but was not measured: {not_measured[field]}"
        else:
            reason = words.format(limit=limit, value=value)
        budgets.append(Budget(name, limit, value, value is not None and value <= limit, reason))
    return tuple(budgets)

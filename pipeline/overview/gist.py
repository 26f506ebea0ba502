"""The gist of a run's summary: one row of a table, one point of a chart."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from compression.settings.metrics import METRICS
from compression.settings.metrics import title as metric_title

_INTERRUPTED = (130, 143)


def gist(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What an overview tells of a run.

    Args:
        summary: As in `summary_schema.json`; that of an older release may lack newer keys.

    Returns:
        `state` is `pushed`, `blocked`, `failed`, `interrupted` or `partial` (a run that was asked for in part).
        `variant` is the one that was selected or else, with `selected` False, the one that came closest: its
        numbers follow. `limit` is the value of the metric that just passes the gate.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: This is no summary.
    """
    baseline = summary["baseline"] or {}
    chosen, selected = _shown(summary)
    metric = baseline.get("metric")
    drift = (summary.get("data") or {}).get("drift") or {}
    pushed = summary["pushed"] or {}
    return {
        "run_id": str(summary["run_id"]),
        "name": str(summary["name"]),
        "state": _state(summary),
        "started_at": _time(summary["started_at"]),
        "finished_at": _time(summary["finished_at"]),
        "seconds": _seconds(summary),
        "metric": metric,
        "metric_title": _title(metric),
        "higher_is_better": _higher_is_better(metric),
        "baseline": _number(baseline.get("value")),
        "baseline_gzip_bytes": _number(baseline.get("gzip_bytes")),
        "variant": chosen.get("name"),
        "selected": selected,
        "value": _number(chosen.get("value")),
        "drop": _number(chosen.get("drop")),
        "drop_ci": chosen.get("drop_ci"),
        "limit": _limit(summary, chosen, baseline.get("value")),
        "size_bytes": _number(chosen.get("size_bytes")),
        "gzip_bytes": _number(chosen.get("gzip_bytes")),
        "latency_ms": _number((chosen.get("latency_ms") or {}).get("p50")),
        "drift": _number(drift.get("distance")),
        "drift_feature": drift.get("feature"),
        "drift_notice": _number(drift.get("notice")),
        "pushed_version": _number(pushed.get("version")),
        "spans": [str(span["name"]) for span in summary["spans"]],
        "why": _why(summary),
    }


def _shown(summary: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """The variant that was selected, else the one with the smallest drop, and whether it was selected."""
    variants: Sequence[Mapping[str, Any]] = summary["variants"]
    for variant in variants:
        if variant["name"] == summary["selected"]:
            return variant, True
    judged = [variant for variant in variants if isinstance(variant.get("drop"), int | float)]
    return min(judged, key=lambda variant: float(variant["drop"]), default={}), False


def _state(summary: Mapping[str, Any]) -> str:
    if summary["exit_code"] in _INTERRUPTED:
        return "interrupted"
    nodes = [node["id"] for node in summary["nodes"]]
    if summary["status"] == "blocked" and nodes and "summary" not in nodes:
        return "partial"
    return str(summary["status"])


def _why(summary: Mapping[str, Any]) -> str:
    """Why nothing was pushed, in one line; empty when something was."""
    state = _state(summary)
    variants: Sequence[Mapping[str, Any]] = summary["variants"]
    if state == "pushed":
        return ""
    if state == "partial":
        return f"asked for in part, up to {summary['nodes'][-1]['id']}"
    stopped = [node["id"] for node in summary["nodes"] if node["status"] in ("failed", "interrupted")]
    if state == "interrupted":
        return f"in {stopped[0]}" if stopped else "between two nodes"
    if state == "failed":
        reasons = [reason for variant in variants for reason in variant["reasons"] if " failed" in reason]
        return str(next(iter(reasons), f"{', '.join(stopped)} failed" if stopped else "see its log"))
    if summary["selected"]:
        return str(summary.get("selection_reason") or "selected, but not pushed")
    return str(next((reason for variant in variants for reason in variant["reasons"]), "no variant passed"))


def _limit(summary: Mapping[str, Any], chosen: Mapping[str, Any], baseline: Any) -> float | None:  # noqa: ANN401
    """The strictest of the gate's rules on the metric as a whole; None when none applies."""
    metric = (summary["baseline"] or {}).get("metric")
    better = _higher_is_better(metric)
    limits = []
    for check in chosen.get("gates") or ():
        name = f"{check['output']}/{check['metric']}" if check.get("output") else check["metric"]
        threshold = check.get("threshold")
        if check.get("slice") or name != metric or not isinstance(threshold, int | float):
            continue
        if check["rule"] in ("min_value", "max_value"):
            limits.append(float(threshold))
        elif check["rule"] in ("max_drop", "max_drop_percent") and isinstance(baseline, int | float):
            drop = threshold if check["rule"] == "max_drop" else abs(baseline) * threshold / 100
            limits.append(baseline - drop if better else baseline + drop)
    return (max if better else min)(limits, default=None)


def _higher_is_better(metric: Any) -> bool:  # noqa: ANN401 - as it stands in a summary
    row = METRICS.get(str(metric).rpartition("/")[2])
    return row is None or row.higher_is_better


def _title(metric: Any) -> str | None:  # noqa: ANN401 - as it stands in a summary
    try:
        return None if metric is None else metric_title(metric)
    except KeyError:  # of another release
        return str(metric)


def _seconds(summary: Mapping[str, Any]) -> float | None:
    begin, end = _time(summary["started_at"]), _time(summary["finished_at"])
    if begin is None or end is None:
        return None
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds())


def _time(value: Any) -> str | None:  # noqa: ANN401 - as it stands in a summary
    """An ISO 8601 time, checked.

    Raises:
        TypeError, ValueError: Something else was given.
    """
    if value is None:
        return None
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"a time with its zone must stand here, got {value!r}")
    return str(value)


def _number(value: object) -> Any:  # noqa: ANN401 - int or float as given, or None
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    raise ValueError(f"a finite number must stand here, got {value!r}")

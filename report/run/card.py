"""The pushed model: what it is, what was held against it, and how it talks."""

from collections.abc import Mapping
from typing import Any

from report import figures
from report.run.facts import Context, Facts, Variant
from report.run.variants import MARKS

_RULES = {
    "max_drop": "drop of {}",
    "max_drop_percent": "drop of {}, in percent",
    "max_drop_vs_champion": "drop of {} against the champion",
    "min_value": "{}, at least",
    "max_value": "{}, at most",
    "examples": "examples, at least",
}
"""Rule of the gate to what it asks of a metric."""

_MOST_ROWS_ALIKE = 4
"""Inputs of one type and shape share a row when there are more of them: a table may have hundreds of columns."""


def context(facts: Facts) -> Context:
    """`pairs` (name, value, mono) and `rules`; the chosen variant's, also when it was not pushed in the end."""
    chosen, pushed = facts.selected, facts.summary["pushed"]
    if chosen is None:
        return {"missing": "nothing was pushed"}
    return {
        "missing": None,
        "name": chosen["name"],
        "version": pushed["version"] if pushed else None,
        "steps": chosen["steps"],
        "pairs": [*_costs(facts, chosen), *_ports(chosen)],
        "path": pushed["path"] if pushed else None,
        "sha256": pushed["sha256"] if pushed else None,
        "rules": [_rule(gate) for gate in chosen["gates"] if not gate["slice"]],
        "slices": sum(1 for gate in chosen["gates"] if gate["slice"]),
    }


def _costs(facts: Facts, chosen: Variant) -> list[tuple[str, str]]:
    before, latency = facts.summary["baseline"], chosen["latency_ms"]
    missing = chosen["not_measured"]
    raw, packed = (figures.times(before[key], chosen[key]) for key in ("size_bytes", "gzip_bytes"))
    return [
        ("File", f"{figures.count(chosen['size_bytes'])} bytes, {raw} smaller"),
        ("After gzip", f"{figures.count(chosen['gzip_bytes'])} bytes, {packed} smaller"),
        ("Latency", _latency(latency) or _missing(missing, "latency_ms")),
        ("Activations", _bytes(chosen["arena_bytes"]) or _missing(missing, "arena_bytes")),
        ("Multiply-accumulates", figures.count(chosen["macs"]) if chosen["macs"] else _missing(missing, "macs")),
        ("Zeros", figures.share(chosen["sparsity"])),
        ("Distinct weights", figures.count(chosen["distinct_weights"])),
    ]


def _latency(latency: Mapping[str, Any] | None) -> str:
    if not latency:
        return ""
    median, most = (figures.milliseconds(latency[key]) for key in ("p50", "p90"))
    return f"median {median} ms, 9 of 10 within {most} ms; one example on this host"


def _bytes(value: int | None) -> str:
    return "" if value is None else f"{figures.count(value)} bytes"


def _missing(reasons: Mapping[str, str], key: str) -> str:
    return f"not measured: {reasons.get(key, 'no reason was given')}"


def _ports(chosen: Variant) -> list[tuple[str, str]]:
    """Inputs and outputs: name, type and shape."""
    audit = chosen["audit"] or {}
    rows = []
    for key, title in (("inputs", "Input"), ("outputs", "Output")):
        alike: dict[str, list[str]] = {}
        for port in _listed(audit.get(key)):
            alike.setdefault(_type(port), []).append(str(port.get("name", "")))
        for type_, names in alike.items():
            if len(names) > _MOST_ROWS_ALIKE:
                rows.append((f"{len(names)} {title.lower()}s", f"{type_} each: {', '.join(names)}"))
            else:
                rows += [(title, f"{name}: {type_}") for name in names]
    return rows


def _listed(ports: Any) -> list[Mapping[str, Any]]:  # noqa: ANN401 - JSON
    if isinstance(ports, Mapping):
        return [{"name": name, **port} for name, port in ports.items()]
    return list(ports or ())


def _type(port: Mapping[str, Any]) -> str:
    shape = " × ".join("any" if size in (None, -1) else str(size) for size in port.get("shape") or ())
    scale = port.get("scale")
    quantized = f", scale {figures.significant(float(scale))}, zero point {port.get('zero_point')}" if scale else ""
    return f"{port.get('dtype', '')} {shape}{quantized}".strip()


def _rule(gate: Mapping[str, Any]) -> dict[str, Any]:
    is_change = gate["rule"].startswith("max_drop")
    show = figures.change if is_change else figures.metric
    if gate["rule"] == "examples":
        show = figures.count
    lower, upper = gate["bounds"]
    # What decides is the bound on the side of the threshold.
    decisive = lower if gate["rule"] in ("min_value", "examples") else upper
    return {
        "what": _RULES.get(gate["rule"], f"{figures.words(gate['rule'])} of {{}}").format(gate["metric"]),
        "threshold": figures.count(gate["threshold"]) if show is figures.count else figures.metric(gate["threshold"]),
        "value": show(gate["value"]),
        "bound": show(decisive),
        "state": gate["state"],
        "mark": MARKS[gate["state"]],
    }

"""What became of the run: one sentence, why, the key figures, and what to try when nothing was pushed."""

from collections.abc import Mapping, Sequence
from typing import Any

from report import figures
from report.run.facts import Context, Facts, Variant, limit_of

_INTERRUPTED = {130: "was interrupted", 143: "was ended"}
_MARKS = {"pushed": "good", "blocked": "warn", "failed": "bad"}


def context(facts: Facts) -> Context:
    """`sentence`, `mark`, `because` (lines), `tiles` (label, value and lines beside it) and `champion`."""
    summary = facts.summary
    return {
        "missing": None,
        "sentence": _sentence(facts),
        "mark": _MARKS[summary["status"]],
        "status": summary["status"],
        "because": _because(facts),
        "tiles": _tiles(facts) if facts.selected else [],
        "champion": _champion(facts),
        "span": _span(summary["spans"]),
    }


def _sentence(facts: Facts) -> str:
    summary, chosen = facts.summary, facts.selected
    if summary["status"] == "failed":
        return _failure(facts)
    if summary["status"] == "pushed" and chosen is not None and summary["pushed"]:
        return f"{chosen['name']} was pushed as version {summary['pushed']['version']}: {_gain(facts, chosen)}."
    if chosen is not None:
        return f"{chosen['name']} was chosen, and not pushed."
    if not summary["variants"] or all(variant["status"] == "not_run" for variant in summary["variants"]):
        return "Nothing was pushed: the run ended before a variant was judged."
    if any(variant["status"] == "passed" for variant in summary["variants"]):
        return "Nothing was pushed, although a variant passed."
    number = len(summary["variants"])
    none = f"none of {number} variants passed" if number > 1 else "the only variant did not pass"
    return f"Nothing was pushed: {none}."


def _gain(facts: Facts, chosen: Variant) -> str:
    baseline = facts.summary["baseline"]
    parts = []
    if baseline["gzip_bytes"] and chosen["gzip_bytes"]:
        ratio = baseline["gzip_bytes"] / chosen["gzip_bytes"]
        parts.append(
            f"{ratio:.1f} times smaller than the float model" if ratio >= 1.05 else "as large as the float model"
        )
    if chosen["value"] is not None:
        beside = f" against {figures.metric(baseline['value'])}" if baseline["value"] is not None else ""
        parts.append(f"{facts.metric} {figures.metric(chosen['value'])}{beside}")
    return ", ".join(parts) or "it passed everything"


def _failure(facts: Facts) -> str:
    summary = facts.summary
    stopped = [node["id"] for node in summary["nodes"] if node["status"] == "interrupted"]
    if summary["exit_code"] in _INTERRUPTED:
        return f"The run {_INTERRUPTED[summary['exit_code']]}{f' in {stopped[0]}' if stopped else ''}."
    failed = [node["id"] for node in summary["nodes"] if node["status"] == "failed"]
    if failed and not (summary["variants"] and all(v["status"] == "failed" for v in summary["variants"])):
        return f"The run failed in {failed[0]}."
    return "The run failed: no variant got through."


def _because(facts: Facts) -> list[str]:
    """Lines under the sentence: why that one, or what went wrong, each cause once."""
    summary, chosen = facts.summary, facts.selected
    if summary["status"] == "pushed" and chosen is not None:
        return [" ".join(filter(None, (_confidence(chosen), _capital(summary["selection_reason"]))))]
    if chosen is not None:
        return [line for line in (_capital(summary["selection_reason"]),) if line]
    return [f"{', '.join(names)}: {reason}" for reason, names in causes(summary["variants"]).items()]


def causes(variants: Sequence[Variant]) -> Mapping[str, list[str]]:
    """Reason to the names of the variants that did not pass for it.

    >>> variant = {"name": "a", "status": "failed", "stage": "gate-a", "reasons": ["gate-a failed: no"]}
    >>> causes([variant])
    {'no': ['a']}
    """
    found: dict[str, list[str]] = {}
    for variant in variants:
        for reason in variant["reasons"] if variant["status"] != "passed" else ():
            # Nodes of variants that fail alike differ in their names alone, which stand in the table.
            same = reason.removeprefix(f"{variant['stage']} failed: ") if variant["status"] == "failed" else reason
            found.setdefault(same, []).append(variant["name"])
    return found


def _confidence(chosen: Variant) -> str:
    allowed, bounds = limit_of(chosen, "max_drop"), chosen["drop_ci"]
    if bounds is None or allowed is None:
        return ""
    return (
        f"Its drop is at most {figures.change(bounds[1])}, with the confidence that the gate asks for; "
        f"{figures.metric(allowed)} was allowed."
    )


def _capital(text: str | None) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _tiles(facts: Facts) -> list[dict[str, Any]]:
    chosen, baseline = facts.selected, facts.summary["baseline"]
    assert chosen is not None
    drop, latency, before = chosen["drop_ci"], chosen["latency_ms"], baseline["latency_ms"]
    ratios = [figures.times(baseline[key], chosen[key]) for key in ("gzip_bytes", "size_bytes")]
    return [
        _tile(facts.metric, figures.metric(chosen["value"]), f"float model {figures.metric(baseline['value'])}"),
        _tile(
            "drop",
            figures.change(chosen["drop"]),
            f"at most {figures.change(drop[1])}" if drop else chosen["not_measured"].get("drop_ci", ""),
        ),
        _tile(
            "size after gzip",
            figures.size(chosen["gzip_bytes"]),
            f"{ratios[0]} smaller; raw {figures.size(chosen['size_bytes'])}, {ratios[1]}",
        ),
        _tile(
            "latency, median",
            f"{figures.milliseconds(latency['p50'])} ms" if latency else figures.ABSENT,
            f"float model {figures.milliseconds(before['p50'])} ms" if latency and before else "",
        ),
    ]


def _tile(label: str, value: str, beside: str) -> dict[str, Any]:
    return {"label": label, "value": value, "beside": beside}


def _champion(facts: Facts) -> str:
    """The model in the field when the run began, in one line; empty when nothing asked for it."""
    champion, shown = facts.summary["champion"], facts.shown
    if champion is None:
        return ""
    if champion["value"] is None:
        return f"The champion, version {champion['version']}, was not compared: {facts.why('champion.value')}."
    text = f"The champion, version {champion['version']}, has {champion['metric']} {figures.metric(champion['value'])}"
    if shown is None or shown["drop_vs_champion"] is None:
        return f"{text} on these data."
    bounds = figures.interval(shown["drop_vs_champion_ci"])
    return (
        f"{text} on these data; {shown['name']} drops {figures.change(shown['drop_vs_champion'])} from it ({bounds})."
    )


def _span(spans: Sequence[Mapping[str, Any]]) -> str:
    if not spans:
        return ""
    first, last = spans[0]["name"], spans[-1]["name"]
    return f"span {first}" if len(spans) == 1 else f"spans {first} to {last}"

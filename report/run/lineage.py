"""Where the pushed model came from, from the spans of data to its version, and in what it was made."""

from typing import Any

from report import figures
from report.run.facts import Context, Facts

_HOST_FIRST = ("cpu", "cores", "machine", "system")


def context(facts: Facts) -> Context:
    """`stages` (title, lines) from left to right, and `variants` with where each file lies."""
    lineage = facts.details["lineage"]
    if not lineage:
        return {"missing": facts.why("lineage")}
    stages = [_data(facts, lineage), _float_model(facts, lineage), _variant(facts, lineage), _version(facts)]
    files = [{"name": name, **file} for name, file in (lineage["variants"] or {}).items()]
    return {"missing": None, "stages": stages, "files": files}


def _stage(title: str, value: str, *beside: tuple[str, str]) -> dict[str, Any]:
    """A station: what it is, its name, and lines of which the second part is a path or a checksum."""
    return {"title": title, "value": value, "beside": [pair for pair in beside if pair[1]]}


def _data(facts: Facts, lineage: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    spans, files = facts.summary["spans"], lineage["files"]
    counts = facts.summary["n_examples"] or {}
    examples = sum(count for count in counts.values() if count)
    said = f"{figures.count(files)} file{'s' if files != 1 else ''}" if files else "data"
    name = said
    if spans:
        some = ", ".join(str(span["name"]) for span in spans[:6])
        name = f"{len(spans)} span{'s' if len(spans) != 1 else ''}: {some}{', …' if len(spans) > 6 else ''}"
    beside = [said] if spans and files else []
    beside += [f"{figures.count(examples)} examples"] if examples else []
    return _stage("Data", name, ("", ", ".join(beside)), ("examples", lineage["examples"] or ""))


def _float_model(facts: Facts, lineage: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    warm = lineage["warm_start"]
    start = "" if _given(facts) else "new weights"
    if warm:
        start = f"went on from version {warm['version']}" if warm.get("used") else f"new weights: {warm.get('reason')}"
    return _stage(
        "Float model",
        "given" if _given(facts) else "trained in this run",
        ("", start),
        ("model", lineage["float_model"] or ""),
    )


def _given(facts: Facts) -> bool:
    """Whether the model came trained into the run."""
    return any(node["kind"] == "pretrained" for node in facts.details["tree"] or ())


def _variant(facts: Facts, lineage: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    chosen = facts.selected
    if chosen is None:
        return _stage("Variant", "none was chosen")
    file = (lineage["variants"] or {}).get(chosen["name"]) or {}
    return _stage("Variant", chosen["name"], ("", " → ".join(chosen["steps"])), ("file", file.get("model") or ""))


def _version(facts: Facts) -> dict[str, Any]:
    pushed = facts.summary["pushed"]
    if pushed is None:
        return _stage("Version", "nothing was pushed")
    return _stage("Version", f"version {pushed['version']}", ("registry", pushed["path"]), ("sha256", pushed["sha256"]))


def environment(facts: Facts) -> Context:
    """`host` and `tools` (name, value), `facts` of the run, and the configuration as it was written."""
    summary, host = facts.summary, facts.summary["host"]
    return {
        "missing": None,
        "host": [(key, host[key]) for key in _HOST_FIRST if host.get(key) is not None],
        "tools": sorted((key, value) for key, value in host.items() if key not in _HOST_FIRST and value is not None),
        "run": [
            ("run", summary["run_id"]),
            ("began", figures.moment(summary["started_at"])),
            ("ended", figures.moment(summary["finished_at"])),
            ("seed", str(summary["seed"])),
            ("configuration, sha256", summary["config_sha256"]),
        ],
        "config": facts.details["config"],
        "why": None if facts.details["config"] else facts.why("config"),
    }

"""The page of a workspace: `index.html`, all runs and cycles, the versions, and the run that goes on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from report import figures, page
from report.history_charts import charts

_STATES: Mapping[str, tuple[str, str]] = {
    "pushed": ("pushed", "good"),
    "blocked": ("blocked", "warn"),
    "failed": ("failed", "bad"),
    "interrupted": ("interrupted", "warn"),
    "killed": ("killed", "bad"),
    "unfinished": ("no summary", "bad"),
    "refused": ("data refused", "bad"),
    "no_drift": ("no drift", ""),
    "partial": ("in part", ""),
    "running": ("running", ""),
}
"""How a run ended, in words, and the class of its badge."""

_LEAD: Mapping[str, str] = {
    "refused": "with refused data",
    "no_drift": "without drift",
    "unfinished": "without a summary",
    "partial": "in part",
}
"""Ends whose words differ when they are counted."""

_WHY_CHARACTERS = 110


def render(overview: Mapping[str, Any]) -> str:
    """One self-contained HTML file.

    Args:
        overview: As from `pipeline.overview.collect.Overview.collect`.

    Returns:
        The HTML text, the same for the same argument. Opened from a disk it stands still; one that a server sent asks
        it for `state.json` (see `state`) and shows what changed.
    """
    runs: Sequence[Mapping[str, Any]] = overview["runs"]
    context = {
        "overview": overview,
        "title": _title(overview),
        "lead": _lead(runs),
        "tiles": _tiles(overview),
        "charts": charts(runs, overview["registry"]["events"], overview["registry"]["current"]),
        "rows": [_row(run, overview) for run in runs],
        "metric": next((run["metric_title"] for run in runs if run["metric_title"]), "quality"),
        "versions": [_version(version, runs) for version in overview["registry"]["versions"]],
        "events": [_event(event) for event in overview["registry"]["events"]],
    }
    return page.render(
        "index.html",
        context,
        styles=[page.asset("index.css")],
        scripts=[page.asset("tables.js"), page.asset("index.js")],
        connect=True,
    )


def state(overview: Mapping[str, Any]) -> dict[str, Any]:
    """What a page asks its server again and again.

    Returns:
        `{key, running, active}`: the key of all that changes when a run begins or ends, an HTML fragment of the runs
        that go on, and their number.
    """
    html = page.fragment("index_running.html", {"overview": overview})
    return {"key": overview["key"], "running": html, "active": len(overview["running"])}


def _title(overview: Mapping[str, Any]) -> str:
    name, current = overview["name"], overview["registry"]["current"]
    if current is not None:
        return f"{name}: version {current} is current"
    return f"{name}: nothing is pushed yet" if overview["runs"] else f"{name}: no runs yet"


def _lead(runs: Sequence[Mapping[str, Any]]) -> str:
    """How many there are, from when to when, and how they ended."""
    if not runs:
        return ""
    days = sorted(figures.moment(run["started_at"])[:10] for run in runs if run["started_at"])
    when = "" if not days else f" on {days[0]}" if days[0] == days[-1] else f" from {days[0]} to {days[-1]}"
    ended = Counter(_LEAD.get(run["state"], figures.words(run["state"])) for run in runs)
    told = ", ".join(f"{count} {word}" for word, count in ended.most_common())
    return f"{len(runs)} run{'' if len(runs) == 1 else 's'}{when}: {told}."


def _tiles(overview: Mapping[str, Any]) -> list[dict[str, str]]:
    """Key figures of the current version; none when it cannot be read."""
    registry = overview["registry"]
    version = next((row for row in registry["versions"] if row["current"]), None)
    if version is None:
        return []
    run: Mapping[str, Any] = next((run for run in overview["runs"] if run["run_id"] == version["run_id"]), {})
    bounds = version["drop_ci"]
    beside = [f"drop {figures.change(version['drop'])}", f"{figures.interval(bounds)}" if bounds else ""]
    smaller = figures.times(run.get("baseline_gzip_bytes"), version["gzip_bytes"])
    drifts = [run for run in overview["runs"] if run["drift"] is not None]
    tiles = [
        _tile(
            "Current version", str(version["version"]), f"{version['variant']}, {figures.moment(version['pushed_at'])}"
        ),
        _tile(
            figures.heading(version["metric"] or "quality"),
            figures.metric(version["value"]),
            ", ".join(filter(None, beside)),
        ),
        _tile("After gzip", figures.size(version["gzip_bytes"]), f"{smaller} smaller than float" if run else ""),
        _tile("Median latency", _latency(version["latency_ms"]), "in LiteRT, where it was made"),
    ]
    if drifts:
        feature = f"most in {drifts[0]['drift_feature']}" if drifts[0]["drift_feature"] else ""
        tiles.append(_tile("Drift of the newest data", f"{drifts[0]['drift']:.3g}", feature))
    return tiles


def _latency(value: float | None) -> str:
    """With its unit.

    >>> _latency(0.00137), _latency(2.5)
    ('1.37 µs', '2.50 ms')
    """
    if value is None:
        return figures.ABSENT
    return f"{figures.significant(value * 1000)} µs" if value < 0.1 else f"{figures.significant(value)} ms"


def _tile(label: str, value: str, beside: str) -> dict[str, str]:
    return {"label": label, "value": value, "beside": beside}


def _row(run: Mapping[str, Any], overview: Mapping[str, Any]) -> dict[str, Any]:
    word, style = _STATES.get(run["state"], (figures.words(run["state"]), ""))
    version = run["pushed_version"]
    if run["state"] == "pushed" and version is not None:
        makers = {row["version"]: row["run_id"] for row in overview["registry"]["versions"]}
        # The same model again makes no new version.
        word = (
            f"pushed version {version}"
            if makers.get(version, run["run_id"]) == run["run_id"]
            else f"version {version} again"
        )
    return {
        **run,
        "word": word,
        "style": style,
        "why_short": _short(run["why"]),
        "origin": _origin(run, overview["name"]),
        "cause": _short(f"cycle {run['cycle']['number']}: {run['cycle']['reasons']}") if run["cycle"] else "",
        "is_current": version is not None and version == overview["registry"]["current"],
        "group": "pushed" if run["state"] == "pushed" else "other",
    }


def _origin(run: Mapping[str, Any], name: str) -> str:
    """Whose it is, when another pipeline shares the workspace; its spans, and how long it took."""
    spans = run["spans"]
    named = "" if not spans else f"span {spans[0]}" if len(spans) == 1 else f"spans {spans[0]} to {spans[-1]}"
    other = run["name"] if run["name"] != name else None
    return ", ".join(filter(None, [other, named, "" if run["seconds"] is None else figures.duration(run["seconds"])]))


def _short(text: str) -> str:
    r"""As much as fits into a table; the report tells the rest.

    >>> _short("short"), len(_short("word " * 100)) <= 110
    ('short', True)
    """
    if len(text) <= _WHY_CHARACTERS:
        return text
    return text[: _WHY_CHARACTERS - 2].rsplit(" ", 1)[0] + " …"


def _version(version: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    run = next((run for run in runs if run["run_id"] == version["run_id"]), None)
    return {**version, "report": run and run["report"]}


def _event(event: Mapping[str, Any]) -> dict[str, Any]:
    before, after, removed = event["before"], event["after"], ", ".join(map(str, event["removed"]))
    origin = "" if before is None or before == after else f" after {before}"
    words = {
        "push": f"pushed version {after}{origin}",
        "rollback": f"rolled back from version {before} to {after}",
        "promote": f"promoted version {after}{origin}",
        "gc": f"removed version{'s' if len(event['removed']) > 1 else ''} {removed}",
    }
    why = event["why"] or (f"run {event['run_id']}" if event["run_id"] else "")
    styles = {"push": "good", "rollback": "warn", "promote": "good"}
    return {
        **event,
        "word": words.get(event["action"], event["action"]),
        "why": why,
        "style": styles.get(event["action"], ""),
    }

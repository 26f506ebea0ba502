"""The data that the run read: how many, what they look like, and how far they are from older ones."""

from collections.abc import Mapping, Sequence
from typing import Any

from report import figures
from report.run.facts import Context, Facts

_SPLITS = ("train", "validation", "eval")
_MOST_FEATURES = 60
_SPARK_WIDTH, _SPARK_HEIGHT = 96, 22

_DISTANCES = {
    "drift": "How far these data are from older ones",
    "skew": "How far the eval split is from the train split",
}


def context(facts: Facts) -> Context:
    """`counts` by split, `splits` with their features, `distances` and `notes` about what was odd."""
    data, counts = facts.summary["data"], facts.summary["n_examples"]
    if data is None and not facts.details["statistics"]:
        return {"missing": "ingest did not finish"}
    return {
        "missing": None,
        "counts": {name: counts.get(name) for name in _SPLITS} if counts else {},
        "spans": facts.summary["spans"],
        "schema": (data or {}).get("schema"),
        "notes": _notes(data or {}),
        "distances": [_distance(kind, data or {}) for kind in _DISTANCES],
        "splits": [_split(split) for split in sorted(facts.details["statistics"] or (), key=_rank)],
        "why": None if facts.details["statistics"] else facts.why("statistics"),
    }


def _rank(split: Mapping[str, Any]) -> int:
    return _SPLITS.index(split["split"]) if split["split"] in _SPLITS else len(_SPLITS)


def _notes(data: Mapping[str, Any]) -> list[str]:
    found = []
    if data.get("missing_spans"):
        found.append(f"Missing between the spans: {', '.join(map(str, data['missing_spans']))}.")
    for key, said in (
        ("repeated_files", "left out, an older span holds the same"),
        ("superseded", "superseded by a newer version"),
        ("empty_spans", "without data files"),
        ("unreadable_files", "left out, not readable"),
    ):
        found += [f"{name}: {said}." for name in data.get(key) or ()]
    return found


def _distance(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    report = data.get(kind)
    title = _DISTANCES[kind]
    if not report:
        why = (data.get("not_measured") or {}).get(kind, "not measured in this run (docs/data-guard.md says how)")
        return {"title": title, "short": kind, "missing": why}
    ranked = sorted(report["features"].items(), key=lambda pair: -pair[1])
    limits = [
        f"{word} from {report[key]:g}" for key, word in (("notice", "told"), ("stop", "stops the run")) if report[key]
    ]
    return {
        "title": title,
        "missing": None,
        "against": report["against"],
        "distance": report["distance"],
        "feature": report["feature"],
        "mark": "bad" if report["stopped"] else "warn" if report["noticed"] else "good",
        "word": "too far" if report["stopped"] else "noticed" if report["noticed"] else "near",
        "limits": ", ".join(limits),
        "features": ranked[:_MOST_FEATURES],
        "largest": max((value for _, value in ranked), default=0.0) or 1.0,
    }


def _split(split: Mapping[str, Any]) -> dict[str, Any]:
    features: Sequence[Mapping[str, Any]] = split["features"]
    return {
        "split": split["split"],
        "examples": split["examples"],
        "opened": split["split"] == "train",
        "left_out": max(0, len(features) - _MOST_FEATURES),
        "features": [_feature(feature) for feature in features[:_MOST_FEATURES]],
    }


def _feature(feature: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {key: _number(feature.get(key)) for key in ("min", "mean", "std", "max")}
    top = ", ".join(f"{value} ({figures.count(count)})" for value, count in (feature.get("top") or ())[:3])
    return {**feature, **numbers, "top": top, "bars": _bars(feature.get("histogram") or ())}


def _number(value: float | None) -> str:
    """A statistic of a feature, which may have any size and sign."""
    if value is None:
        return figures.ABSENT
    return f"{value:.4g}".replace("-", "−")


def _bars(histogram: Sequence[Sequence[float]]) -> dict[str, Any] | None:
    """A small drawing of a histogram, its bars as wide as their ranges."""
    if not histogram:
        return None
    low, high = histogram[0][0], histogram[-1][1]
    most = max(count for _, _, count in histogram)
    if high <= low or most <= 0:
        return None
    scale = _SPARK_WIDTH / (high - low)
    bars = [
        {
            "x": round((left - low) * scale, 2),
            "width": round(max(0.5, (right - left) * scale - 0.5), 2),
            "height": round(count / most * _SPARK_HEIGHT, 2),
        }
        for left, right, count in histogram
    ]
    return {"width": _SPARK_WIDTH, "height": _SPARK_HEIGHT, "bars": bars}

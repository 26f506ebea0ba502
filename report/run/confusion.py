"""Which classes are taken for which: the float model, the variant, and where the two differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from report.run.facts import Context, Facts

Matrix = Sequence[Sequence[int]]

_MOST_CLASSES = 24
_MOST_PAIRS = 12
_SHADES = 8


def context(facts: Facts) -> Context:
    """`outputs`, each with two matrices, their difference, the pairs that moved most and what became of each class."""
    found = facts.details["confusion"]
    if not found:
        return {"missing": facts.why("confusion")}
    parts = [found] if isinstance(found, Mapping) else list(found)
    shown = facts.shown["name"] if facts.shown else None
    outputs = [part for one in parts if (part := _of(one, shown)) is not None]
    return {"missing": None if outputs else facts.why("confusion"), "outputs": outputs}


def _of(one: Mapping[str, Any], shown: str | None) -> dict[str, Any] | None:
    """One output of the model; None: its baseline answered nothing."""
    before, variants = one["baseline"], one["variants"] or {}
    name = shown if shown in variants else next(iter(variants), None)
    if not before or name is None:
        return None
    after, labels = variants[name], [str(label) for label in one["labels"]]
    difference = _subtract(after, before)
    small = len(labels) <= _MOST_CLASSES
    return {
        "output": one.get("output", ""),
        "variant": name,
        "labels": labels,
        "classes": len(labels),
        "matrices": [
            {"title": "float model", "rows": _shaded(before)},
            {"title": name, "rows": _shaded(after)},
            {"title": "difference", "rows": _moved(difference)},
        ]
        if small
        else [],
        "pairs": _pairs(labels, before, after),
        "same": not any(any(row) for row in difference),
        "recalls": [_recall(label, k, before, after) for k, label in enumerate(labels)] if small else [],
    }


def _subtract(after: Matrix, before: Matrix) -> Matrix:
    return [[new - before[k][j] for j, new in enumerate(row)] for k, row in enumerate(after)]


def _shaded(matrix: Matrix) -> list[list[tuple[int, str]]]:
    """Counts with a shade each: the share of the label's examples; errors in a colour of their own."""
    rows = []
    for label, counts in enumerate(matrix):
        total = sum(counts) or 1
        rows.append([(n, _shade("hit" if answer == label else "miss", n / total)) for answer, n in enumerate(counts)])
    return rows


def _moved(difference: Matrix) -> list[list[tuple[int, str]]]:
    """Changes with a shade each; more on the diagonal is good, more beside it is bad."""
    most = max((abs(n) for row in difference for n in row), default=0) or 1
    rows = []
    for label, counts in enumerate(difference):
        good = [(n > 0) == (answer == label) for answer, n in enumerate(counts)]
        rows.append([(n, _shade("hit" if g else "miss", abs(n) / most)) for n, g in zip(counts, good, strict=True)])
    return rows


def _shade(kind: str, part: float) -> str:
    return f"{kind}-{max(1, round(part * _SHADES))}" if part > 0 else ""


def _pairs(labels: Sequence[str], before: Matrix, after: Matrix) -> list[dict[str, Any]]:
    """Mistakes whose number changed most, the new ones first."""
    pairs: list[dict[str, Any]] = [
        {"label": labels[i], "answer": labels[j], "before": before[i][j], "after": after[i][j]}
        for i in range(len(labels))
        for j in range(len(labels))
        if i != j and before[i][j] != after[i][j]
    ]
    pairs.sort(key=lambda pair: (-abs(pair["after"] - pair["before"]), pair["before"] - pair["after"]))
    return pairs[:_MOST_PAIRS]


def _recall(label: str, k: int, before: Matrix, after: Matrix) -> dict[str, Any]:
    """How many of a class are recognized."""
    examples = sum(before[k])
    return {"label": label, "examples": examples, "before": before[k][k], "after": after[k][k]}

"""The tree of variants as a drawing: which steps they share, how long those took and what came from the cache."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from report import figures
from report.run.facts import Context, Facts, Variant
from report.run.variants import MARKS

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y = 184, 62, 34, 10
_LETTERS = 22
# These belong to one variant each: the box with its name, at the end of its branch, stands for them.
_FINISHING = ("quantize", "export", "gate", "edge")


@dataclass
class _Box:
    """A box of the drawing and the boxes that hang on it.

    Attributes:
        label: First line.
        lines: Those under it.
        mark: Class of its colours.
        children: Boxes to its right.
        column: 0 is the float model's.
        row: In rows of leaves; between two where it has several children.
    """

    label: str
    lines: list[str]
    mark: str
    children: list["_Box"] = field(default_factory=list)
    column: int = 0
    row: float = 0.0


def context(facts: Facts) -> Context:
    """`boxes` and `lines` of the drawing with its `width` and `height`, `outline` as nested lists, and `nodes`."""
    if not facts.variants:
        return {"missing": "the configuration has no variants"}
    root = _from_details(facts, facts.details["tree"]) if facts.details["tree"] else _from_steps(facts)
    rows = _arrange(root, 0, 0.0)
    boxes = list(_walk(root))
    return {
        "missing": None,
        "boxes": [_drawn(box) for box in boxes],
        "lines": [_line(box, child) for box in boxes for child in box.children],
        "width": (max(box.column for box in boxes) + 1) * (_WIDTH + _GAP_X) - _GAP_X + 2,
        "height": int(rows * (_HEIGHT + _GAP_Y)) - _GAP_Y + 2,
        "outline": root,
        **_times(facts),
    }


def _from_details(facts: Facts, nodes: Sequence[Mapping[str, Any]]) -> _Box:
    finishing: dict[str, list[str]] = {}
    for node in nodes:
        if node["kind"] in _FINISHING:
            for name in node["variants"]:
                finishing.setdefault(name, []).append(node["id"])
    boxes: dict[str, _Box] = {}
    last: dict[str, _Box] = {}
    for node in nodes:
        if node["kind"] in _FINISHING:
            continue
        box = boxes[node["id"]] = _Box(node["label"], *_state(facts, [node["id"]]))
        if node["parent"] in boxes:
            boxes[node["parent"]].children.append(box)
        for name in node["variants"]:
            last[name] = box
    for variant in facts.variants:
        if variant["name"] in last:
            last[variant["name"]].children.append(_leaf(facts, variant, finishing.get(variant["name"], [])))
    return next(iter(boxes.values()))


def _from_steps(facts: Facts) -> _Box:
    """Without details: steps by their words, which variants that begin alike share."""
    root = _Box("float model", [], "")
    known: dict[tuple[str, ...], _Box] = {(): root}
    for variant in facts.variants:
        steps = tuple(variant["steps"])
        for length in range(1, len(steps)):
            if steps[:length] not in known:
                known[steps[:length]] = _Box(steps[length - 1], [], "")
                known[steps[: length - 1]].children.append(known[steps[:length]])
        known[steps[:-1]].children.append(_leaf(facts, variant, []))
    return root


def _leaf(facts: Facts, variant: Variant, nodes: Sequence[str]) -> _Box:
    words = figures.words(variant["status"])
    if variant["name"] == facts.summary["selected"]:
        words = "pushed" if facts.summary["pushed"] else "chosen"
    ended = [node for node_id in nodes if (node := facts.node(node_id))]
    cached = bool(ended) and all(node["cached"] for node in ended)
    said = " · ".join(filter(None, (words, "cached" if cached else _seconds(facts, nodes))))
    lines = [*variant["steps"][-1:], said]
    chosen = " chosen" if variant["name"] == facts.summary["selected"] else ""
    return _Box(variant["name"], lines, f"leaf {MARKS[variant['status']]}{chosen}{' cached' if cached else ''}")


def _state(facts: Facts, nodes: Sequence[str]) -> tuple[list[str], str]:
    """What is said of nodes, and how they are marked; nothing where the run's times are not known."""
    ended = [node for node_id in nodes if (node := facts.node(node_id))]
    for status, mark in (("failed", "bad"), ("interrupted", "warn"), ("not_run", "off")):
        if any(node["status"] == status for node in ended):
            return [figures.words(status)], mark
    if ended and all(node["cached"] for node in ended):
        return ["cached"], "cached"
    seconds = _seconds(facts, nodes)
    return [seconds] if seconds else [], ""


def _seconds(facts: Facts, nodes: Sequence[str]) -> str:
    spent = [node["seconds"] for node_id in nodes if (node := facts.node(node_id)) and node["seconds"] is not None]
    return figures.duration(sum(spent)) if spent else ""


def _arrange(box: _Box, column: int, row: float) -> float:
    """Gives every box its place and returns how many rows it and its children take."""
    box.column = column
    used = 0.0
    for child in box.children:
        used += _arrange(child, column + 1, row + used)
    box.row = (box.children[0].row + box.children[-1].row) / 2 if box.children else row
    return max(used, 1.0)


def _walk(box: _Box) -> Iterator[_Box]:
    yield box
    for child in box.children:
        yield from _walk(child)


def _corner(box: _Box) -> tuple[float, float]:
    return box.column * (_WIDTH + _GAP_X) + 1, box.row * (_HEIGHT + _GAP_Y) + 1


def _drawn(box: _Box) -> dict[str, Any]:
    x, y = _corner(box)
    texts = [box.label, *box.lines]
    first = _HEIGHT / 2 + 4.5 - (len(texts) - 1) * 8.5
    lines = [{"text": _short(text), "y": first + 17 * number} for number, text in enumerate(texts)]
    full = ", ".join(texts) if any(text != _short(text) for text in texts) else ""
    return {"x": x, "y": y, "width": _WIDTH, "height": _HEIGHT, "lines": lines, "title": full, "mark": box.mark}


def _short(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"


def _line(box: _Box, child: _Box) -> str:
    """The path from a box to one of its children."""
    (x, y), (to_x, to_y) = _corner(box), _corner(child)
    start, end, middle = x + _WIDTH, to_x, to_x - _GAP_X / 2
    y, to_y = y + _HEIGHT / 2, to_y + _HEIGHT / 2
    return f"M{start:g} {y:g}C{middle:g} {y:g} {middle:g} {to_y:g} {end:g} {to_y:g}"


def _times(facts: Facts) -> dict[str, Any]:
    """Every node with its time, and the sum."""
    nodes: Sequence[Mapping[str, Any]] = facts.summary["nodes"]
    spent = [node["seconds"] or 0.0 for node in nodes]
    longest = max(spent, default=0.0) or 1.0
    return {
        "nodes": [{**node, "part": seconds / longest} for node, seconds in zip(nodes, spent, strict=True)],
        "seconds": sum(spent),
        "cached": sum(bool(node["cached"]) for node in nodes),
    }

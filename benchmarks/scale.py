"""What more data and more variants cost: time, memory and bytes of every node on 1, 10 and 100 times Fashion-MNIST.

Every node runs in a process of its own, by the command that users type, and what the system counted for that process is
what stands in the table; nothing is subtracted. `own s` is what the node itself took, without imports and start-up.
Legs can be measured one by one, `python -m benchmarks.scale x1 x10`, later `x100` or its nodes (`x100/ingest`), and
`variants` (`variants/16`); one that was interrupted goes on with the node that it had come to. Table and goals are of
the latest result of each; goals that need what is not there are not met.
"""

import json
import math
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.results import finish, goal, quick
from benchmarks.scale_data import EXAMPLES
from benchmarks.scale_runs import HERE, Row, Works, size_works, variant_works

UNIT = EXAMPLES // 10 if quick() else EXAMPLES
SIZES = {"x1": UNIT, "x10": 10 * UNIT} if quick() else {"x1": UNIT, "x10": 10 * UNIT, "x100": 100 * UNIT}
VARIANTS = (1, 4) if quick() else (1, 4, 16)
LINEAR = ("ingest", "statistics")
FLAT = ("ingest", "statistics", "answers", "gate")
MEMORY = "peak MB"
FITTED = ("wall s", "own s", "cpu s", MEMORY, "written MB")
MANY = 10**8
PREFIX_SLACK = 1.1
"""Runs of minutes on a shared machine differ by a few percent."""


def measure(leg: str, only: str = "") -> None:
    """One leg, whose rows are kept; it begins anew if it had come to its end.

    Args:
        leg: Its name.
        only: The one node to measure now, those before it being done; empty: all that are left.
    """
    folder, unfinished = HERE / leg, _unfinished(leg)
    if not unfinished.exists():
        shutil.rmtree(folder, ignore_errors=True)
    done: dict[str, list[Row]] = json.loads(unfinished.read_text()) if unfinished.exists() else {}
    works = _works(leg)
    for node, work in works.items():
        if only in ("", node) and node not in done:
            done[node] = work()
            unfinished.write_text(json.dumps(done))
    if len(done) == len(works):
        unfinished.unlink()
        _kept(leg).write_text(json.dumps([row for node in works for row in done[node]]))
        if leg != "x1":
            shutil.rmtree(folder)


def _works(leg: str) -> Works:
    if leg == "variants":
        return variant_works(UNIT, VARIANTS)
    return size_works(leg, SIZES[leg], None if leg == "x1" else HERE / "x1" / "workspace" / "artifacts")


def _kept(leg: str) -> Path:
    return HERE / f"rows-{'quick-' if quick() else ''}{leg}.json"


def _unfinished(leg: str) -> Path:
    return HERE / f"{_kept(leg).name}.unfinished"


def latest(leg: str) -> list[Row]:
    """The rows of a leg as it was measured last, also of one that has not come to its end; none: it was not begun."""
    if _unfinished(leg).exists():
        return [row for rows in json.loads(_unfinished(leg).read_text()).values() for row in rows]
    return json.loads(_kept(leg).read_text()) if _kept(leg).exists() else []


def exponents(rows: Sequence[Row]) -> list[Row]:
    """For each node the power of the number of examples by which each figure grows, by least squares on logarithms."""
    fitted = []
    for node in dict.fromkeys(row["node"] for row in rows):
        own = [row for row in rows if row["node"] == node and row["leg"] in SIZES]
        if len(own) < 2:
            continue
        row = dict.fromkeys(own[0]) | {"leg": "exponent", "node": node}
        fitted.append(row | {name: _slope((one["examples"], one[name]) for one in own) for name in FITTED})
    return fitted


def _slope(points: Iterable[tuple[int, float | None]]) -> float | None:
    known = [(math.log(size), math.log(value)) for size, value in points if value]
    if len(known) < 2:
        return None
    mean_x, mean_y = (sum(values) / len(known) for values in zip(*known, strict=True))
    return sum((x - mean_x) * (y - mean_y) for x, y in known) / sum((x - mean_x) ** 2 for x, _ in known)


def costs(rows: Sequence[Row]) -> list[Row]:
    """For each node what every further million examples costs, and what 10^8 would cost by that; computed.

    Start-up drops out of the difference between the two largest sizes. Memory is the largest that was measured.
    """
    made = []
    for node in dict.fromkeys(row["node"] for row in rows):
        found = {row["leg"]: row for row in rows if row["node"] == node}
        smaller, larger = (found.get(leg) for leg in list(SIZES)[-2:])
        if smaller is None or larger is None:
            continue
        millions = (larger["examples"] - smaller["examples"]) / 1e6
        each = {
            name: (larger[name] - smaller[name]) / millions
            for name in FITTED
            if name != MEMORY and larger[name] is not None and smaller[name] is not None
        }
        beyond = (MANY - larger["examples"]) / 1e6
        then = {name: larger[name] + value * beyond for name, value in each.items()}
        for leg, examples, values in (("each 10^6", 10**6, each), ("10^8, computed", MANY, then)):
            row = dict.fromkeys(larger) | {"leg": leg, "node": node, "examples": examples}
            made.append(row | values | {MEMORY: larger[MEMORY]})
    return made


def goals(rows: Sequence[Row], fitted: Sequence[Row]) -> list[dict]:
    """What was asked for; a figure that is not there meets nothing."""
    found = {(row["leg"], row["node"]): row for row in [*rows, *fitted]}

    def figure(leg: str, node: str, name: str) -> float:
        value = found.get((leg, node), {}).get(name)
        return math.nan if value is None else float(value)

    *_, before, largest = SIZES
    complete = all((leg, "ingest") in found for leg in SIZES)
    made = []
    for node in FLAT:
        ratio = figure(largest, node, "peak MB") / figure(before, node, "peak MB")
        made.append(goal(f"peak memory of {node}, {largest} to {before}", ratio, 1.2, at_least=False))
    for node in LINEAR:
        for name in ("wall s", "own s"):
            slope = figure("exponent", node, name) if complete else math.nan
            made.append(goal(f"exponent of {node}, {name}", slope, 1.05, at_least=False))
    few, many = (f"{count} variants" for count in (VARIANTS[0], VARIANTS[-1]))
    added = figure(many, "whole run", "wall s") - figure(few, "whole run", "wall s")
    own = figure(many, "own nodes", "own s") - figure(few, "own nodes", "own s")
    made.append(goal("wall time of added variants, to their own nodes'", added / own, PREFIX_SLACK, at_least=False))
    shared = figure(many, "shared nodes", "nodes") - figure(few, "shared nodes", "nodes")
    return [*made, goal("shared nodes that more variants add", shared, 0, at_least=False)]


def main(legs: Sequence[str]) -> None:
    """Measures and prints."""
    HERE.mkdir(parents=True, exist_ok=True)
    for leg in legs or (*SIZES, "variants"):
        name, _, only = leg.partition("/")
        measure(name, only)
    rows = [row for leg in (*SIZES, "variants") for row in latest(leg)]
    fitted = exponents(rows)
    finish("scale", [*rows, *fitted, *costs(rows)], goals(rows, fitted))


if __name__ == "__main__":
    main(sys.argv[1:])

"""What every benchmark leaves: a table for people, one JSON file for tools."""

import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_PIPE_WIDTH = 200
FOLDER = Path(".bench")


def quick() -> bool:
    """Whether the short form was asked for (`QUICK=1`)."""
    return os.environ.get("QUICK") == "1"


def goal(name: str, value: float, target: float, *, at_least: bool) -> dict[str, Any]:
    """One goal, measured: `{name, value, goal, met}`."""
    return {"name": name, "value": value, "goal": target, "met": value >= target if at_least else value <= target}


def finish(
    name: str, rows: Sequence[Mapping[str, Any]], goals: Sequence[Mapping[str, Any]], *, hidden: Sequence[str] = ()
) -> None:
    """Prints rows and goals and writes `.bench/NAME.json`.

    Args:
        name: Name of the benchmark.
        rows: The table; all rows have the same keys.
        goals: As `goal` makes them.
        hidden: Keys that stand in the file alone.
    """
    console = _console()
    show(name, [{key: row[key] for key in row if key not in hidden} for row in rows])
    for item in goals:
        console.print(f"goal {item['name']}: {item['value']:.4g}, wanted {item['goal']:.4g}: met {item['met']}")
    content = {"name": name, "quick": quick(), "environment": environment(), "rows": list(rows), "goals": list(goals)}
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(content, indent=2) + "\n")
    console.print(f"wrote {path}")


def show(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Prints a table; all rows have the same keys."""
    _console().print(_table(title, rows))


def environment() -> dict[str, Any]:
    """The machine and the versions that the numbers come from."""
    packages = ("tensorflow", "ai-edge-litert", "tensorflow-model-analysis", "apache-beam", "numpy")
    versions = {package: metadata.version(package) for package in packages}
    return {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0], **versions}


def _console() -> Console:
    # Without a terminal rich would take 80 columns, in which wide tables are cut to nothing.
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=name, box=None)
    for key in rows[0]:
        table.add_column(key, justify="left" if isinstance(rows[0][key], str) else "right")
    for row in rows:
        table.add_row(*(f"{value:.4f}" if isinstance(value, float) else str(value) for value in row.values()))
    return table

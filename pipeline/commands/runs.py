"""`runs [CONFIG]`: what ran in a workspace, newest first."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.commands.config_argument import add_config, load_config
from pipeline.console import Console
from pipeline.errors import UserError
from pipeline.overview.running import unfinished

if TYPE_CHECKING:
    from rich.table import Table

HELP = "list the runs of a workspace"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_config(parser, required=False)


def execute(args: argparse.Namespace, console: Console) -> int:
    """Prints one row for each run."""
    if args.config is None and args.workspace is None:
        raise UserError(
            "CONFIG or --workspace must be given, got neither; for example: tfx-edge runs configs/digits.yaml"
        )
    workspace = args.workspace or load_config(args).workspace
    runs = sorted(read_runs(workspace), key=lambda run: (run["started_at"] or "", run["run_id"]), reverse=True)
    if runs:
        console.show(_table(runs))
    else:
        console.show(f"no runs in {workspace} yet")
    console.result({"workspace": str(workspace), "runs": runs})
    return 0


def read_runs(workspace: Path) -> list[dict[str, Any]]:
    """The gist of every run's summary; one that cannot be read is listed with the status `unreadable`.

    One without a summary is `running`, `killed`, or `unfinished` where nothing is known of its process.
    """
    folder = workspace / "runs"
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{folder} must be a readable folder, got: {error.strerror}") from None
    return [_gist(name, folder / name / "summary.json") for name in names]


def _gist(run_id: str, path: Path) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(
        ("started_at", "metric", "baseline", "selected", "value", "size_bytes", "drift", "pushed_version")
    )
    row |= {"run_id": run_id, "status": "unreadable"}
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        baseline = summary["baseline"] or {}
        chosen: dict[str, Any] = next(
            (variant for variant in summary["variants"] if variant["name"] == summary["selected"]), {}
        )
        return row | {
            "status": str(summary["status"]),
            "started_at": str(summary["started_at"]),
            "metric": baseline.get("metric"),
            "baseline": _number(baseline.get("value")),
            "selected": summary["selected"],
            "value": _number(chosen.get("value")),
            "size_bytes": _number(chosen.get("size_bytes")),
            "drift": _drift(summary),
            "pushed_version": (summary["pushed"] or {}).get("version"),
        }
    except FileNotFoundError:
        found = unfinished(path.parent)
        return row | {"status": found["state"], "started_at": found["started_at"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return row


def _drift(summary: dict[str, Any]) -> float | None:
    """The distance between the newest span and those before it; summaries of older releases have none."""
    data = summary.get("data") or {}
    return _number((data.get("drift") or {}).get("distance"))


def _number(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float):
        return value
    raise ValueError(f"a number must stand here, got {value!r}")


def _table(runs: list[dict[str, Any]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("run", "started", "status", "metric"):
        table.add_column(title, no_wrap=True)
    for title in ("baseline", "selected", "value", "bytes", "drift", "pushed"):
        table.add_column(title, no_wrap=True, justify="left" if title == "selected" else "right")
    for run in runs:
        cells = (
            run["run_id"],
            (run["started_at"] or "-")[:19].replace("T", " "),
            run["status"],
            run["metric"] or "-",
            "-" if run["baseline"] is None else f"{run['baseline']:.4f}",
            run["selected"] or "-",
            "-" if run["value"] is None else f"{run['value']:.4f}",
            "-" if run["size_bytes"] is None else f"{run['size_bytes']:,}",
            "-" if run["drift"] is None else f"{run['drift']:.3g}",
            "-" if run["pushed_version"] is None else f"v{run['pushed_version']}",
        )
        table.add_row(*(Text(str(cell)) for cell in cells))
    return table

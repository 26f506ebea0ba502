"""`explain CONFIG VARIANT`: why a variant ended as it did, with its numbers, and what to try next."""

import argparse
import json
from dataclasses import asdict
from typing import Any

from pipeline.commands.config_argument import add_config, load_config
from pipeline.config.faults import nearest
from pipeline.console import Console
from pipeline.durable import read_json
from pipeline.errors import UserError
from pipeline.workspace import Workspace
from report.advice import advise
from report.advice_case import Advice

HELP = "say why a variant ended as it did, and what to try next"

_WORDS = {
    "passed": "passed the gate",
    "blocked": "was blocked",
    "not_enough_data": "was held back: not enough data",
    "failed": "failed",
    "not_run": "did not run",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_config(parser)
    parser.add_argument("variant", metavar="VARIANT", help="name of a variant in the run")
    parser.add_argument("--run", metavar="RUN", help="id of the run, by default the newest one with a summary")


def execute(args: argparse.Namespace, console: Console) -> int:
    """Reads the summary and tells."""
    config = load_config(args)
    summary = read_summary(Workspace(config.workspace), args.run)
    variants: dict[str, dict[str, Any]] = {variant["name"]: variant for variant in summary["variants"]}
    if args.variant not in variants:
        advice = nearest(args.variant, variants) or "see the run's table"
        known = ", ".join(variants) or "none"
        raise UserError(f"VARIANT must be one of run {summary['run_id']}: {known}, got {args.variant}; {advice}")
    variant = variants[args.variant]
    found = advise(summary, variant, _details(Workspace(config.workspace), summary["run_id"]))
    console.show("\n".join(_lines(summary, variant, found)))
    told = {key: variant[key] for key in ("name", "status", "stage", "reasons", "metric", "value", "drop", "drop_ci")}
    selected = summary["selected"] == variant["name"]
    console.result(
        {"run_id": summary["run_id"], **told, "selected": selected, "advice": [asdict(advice) for advice in found]}
    )
    return 0


def read_summary(workspace: Workspace, run_id: str | None) -> dict[str, Any]:
    """The summary of a run, by default of the newest that has one.

    Raises:
        UserError: There is none, or it cannot be read.
    """
    runs = workspace.run_folder("x").parent
    paths = sorted(runs.glob("*/summary.json")) if run_id is None else [runs / run_id / "summary.json"]
    if not paths or not paths[-1].is_file():
        wanted = "a finished run must be there" if run_id is None else f"--run must name a finished run, got {run_id}"
        raise UserError(f"{wanted}; {runs} holds no summary of it: tfx-edge runs CONFIG lists what ran")
    try:
        summary: dict[str, Any] = json.loads(paths[-1].read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{paths[-1]} must be a readable summary, got: {error}; run again") from None
    return summary


def _details(workspace: Workspace, run_id: str) -> dict[str, Any] | None:
    """What lies beside the summary; `None` for runs of older versions."""
    return read_json(workspace.run_folder("x").parent / run_id / "details.json")


def _lines(summary: dict[str, Any], variant: dict[str, Any], found: list[Advice]) -> list[str]:
    chosen = " and was chosen" if summary["selected"] == variant["name"] else ""
    lines = [f"{variant['name']} {_WORDS[variant['status']]}{chosen} in run {summary['run_id']}"]
    lines.append(f"steps    {' -> '.join(variant['steps'])}")
    if variant["value"] is not None and variant["drop"] is not None:
        bounds = variant["drop_ci"]
        sure = f" (between {bounds[0]:+.4f} and {bounds[1]:+.4f})" if bounds else ""
        lines.append(f"quality  {variant['metric']} {variant['value']:.4f}, drop {variant['drop']:+.4f}{sure}")
    if variant["size_bytes"] is not None and variant["gzip_bytes"] is not None:
        lines.append(f"size     {variant['size_bytes']:,} bytes, {variant['gzip_bytes']:,} after gzip")
    if variant["latency_ms"] is not None:
        lines.append(f"latency  {variant['latency_ms']['p50']:.3g} ms on {summary['host']['cpu'] or 'an unnamed CPU'}")
    lines += [f"why      {reason}" for reason in variant["reasons"]]
    for advice in found:
        lines += ["", f"because  {advice.because}", f"try      {advice.advice}"]
        lines += [f"         {line}" for line in advice.yaml.splitlines()]
    if not found and variant["status"] not in ("passed",):
        lines += ["", "nothing in the summary points at a remedy; the log of the run tells more"]
    return lines

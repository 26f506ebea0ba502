"""`cycle CONFIG --once`: one cycle, when there is something new."""

import argparse
from typing import Any

from pipeline import local
from pipeline.commands.config_argument import add_config, load_config
from pipeline.config import Config
from pipeline.console import Console
from pipeline.cycles.once import Ended, run_cycle
from pipeline.cycles.record import Record
from pipeline.preflight import warnings

HELP = "retrain, compress, gate and push when there is something new"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_config(parser)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--once", action="store_true", help="look once, and run one cycle when something is new")
    parser.add_argument("--force", action="store_true", help="with --once: run although nothing is new")


def execute(args: argparse.Namespace, console: Console) -> int:
    """Does what was asked for."""
    return _once(args, load_config(args), console)


def _once(args: argparse.Namespace, config: Config, console: Console) -> int:
    for warning in warnings(config):
        console.warn(warning)
    ended = run_cycle(config, console, forced=args.force)
    console.result(described(ended))
    if ended.record is None:
        console.say(ended.decision.reasons[0])
        return 0
    if ended.error is not None:
        console.error(str(ended.error), ended.error.exit_code)
        return ended.error.exit_code
    assert ended.finished is not None
    from pipeline.display import report

    console.say(report(ended.finished))
    console.say(f"cycle    {ended.record.number} {ended.record.ending}")
    code = int(ended.finished.summary["exit_code"])
    if code:
        resume = local.resume_command(config, args.workspace)
        lines = [*ended.finished.failures, f"log      {ended.finished.log}", f"resume   {resume}"]
        console.error("\n".join(lines), code)
    return code


def described(ended: Ended) -> dict[str, Any]:
    """A cycle as JSON values."""
    return {
        "ran": ended.record is not None,
        "reasons": list(ended.decision.reasons),
        "cycle": None if ended.record is None else row(ended.record),
        "summary": None if ended.finished is None else ended.finished.summary,
    }


def row(record: Record) -> dict[str, Any]:
    """A record without its fingerprint, of which only the spans are told."""
    values = record.to_dict()
    del values["fingerprint"]
    return {**values, "spans": record.spans}

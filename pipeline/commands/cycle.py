"""`cycle CONFIG --once | --watch | --history`: cycles when there is something new; what they came to."""

import argparse
from typing import Any

from components.cycles.kept import KeptRecords
from components.cycles.record import Status
from pipeline import local
from pipeline.commands.config_argument import add_config, load_config
from pipeline.config import Config
from pipeline.console import Console
from pipeline.cycles import history
from pipeline.cycles.child import end_with_parent
from pipeline.cycles.once import Ended, folder_of, run_cycle
from pipeline.cycles.schedule import SystemClock
from pipeline.cycles.watch import Source, watch
from pipeline.errors import EdgeError, UserError
from pipeline.preflight import warnings
from registry import RegistryError

HELP = "retrain, compress, gate and push when there is something new"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_config(parser)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--once", action="store_true", help="look once, and run one cycle when something is new")
    mode.add_argument("--watch", action="store_true", help="look again and again, until SIGTERM or SIGINT")
    mode.add_argument("--history", action="store_true", help="show what became of every cycle, newest first")
    parser.add_argument("--force", action="store_true", help="with --once: run although nothing is new")
    parser.add_argument(
        "--cluster", action="store_true", help="with --history: of the runs on a cluster, whose records lie in push.to"
    )
    # Of the watcher that started this process; it ends when that one dies.
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)


def execute(args: argparse.Namespace, console: Console) -> int:
    """Does what was asked for."""
    if args.force and not args.once:
        raise UserError("--force must stand beside --once, got it alone; leave it out")
    if args.cluster and not args.history:
        raise UserError("--cluster must stand beside --history, got it alone; leave it out")
    if args.watch:
        return watch(Source(args.config, args.workspace), console, SystemClock())
    if args.parent is not None:
        end_with_parent(args.parent)
    return (_once if args.once else _history)(args, load_config(args), console)


def _once(args: argparse.Namespace, config: Config, console: Console) -> int:
    for warning in warnings(config):
        console.warn(warning)
    ended = run_cycle(config, console, forced=args.force)
    if ended.finished is not None and ended.record is not None and ended.record.status is not Status.NO_DRIFT:
        local.tell_hooks(config, console, ended.finished)
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
        "cycle": None if ended.record is None else history.row(ended.record),
        "summary": None if ended.finished is None else ended.finished.summary,
    }


def _history(args: argparse.Namespace, config: Config, console: Console) -> int:
    if args.cluster:
        place, checked = config.registry, None
        try:
            records, unreadable = KeptRecords(place).read()
        except RegistryError as error:
            raise EdgeError(str(error)) from error
    else:
        place, folder = str(config.workspace), folder_of(config)
        (records, unreadable), checked = history.read(folder), history.last_check(folder)
    console.show(history.table(records) if records else f"no cycles in {place} yet")
    for line in history.errors(records, unreadable):
        console.show(line)
    if checked is not None:
        console.show(f"last look {checked.get('at')}: {checked.get('found')}")
    console.result(
        {
            "registry" if args.cluster else "workspace": place,
            "cycles": [history.row(record) for record in reversed(records)],
            "unreadable": unreadable,
            "last_check": checked,
        }
    )
    return 0

"""`run CONFIG`: the whole pipeline, on this machine."""

import argparse

from pipeline import local
from pipeline.commands.config_argument import add_config, load_config
from pipeline.console import Console
from pipeline.preflight import check, warnings

HELP = "train, compress, gate and push"

BLOCKED_EXIT_CODE = 4


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_config(parser)
    parser.add_argument("--from", dest="start", metavar="NODE", help="run NODE and all that depends on it anew")
    parser.add_argument("--to", dest="end", metavar="NODE", help="run NODE and what it needs, and nothing else")
    parser.add_argument(
        "--no-cache", action="append", default=[], metavar="NODE", help="run NODE anew; may be repeated"
    )
    parser.add_argument(
        "--fail-on-blocked", action="store_true", help=f"exit with {BLOCKED_EXIT_CODE} when nothing was pushed"
    )


def execute(args: argparse.Namespace, console: Console) -> int:
    """Checks everything that needs no TensorFlow, then runs."""
    config = load_config(args)
    check(config)
    for warning in warnings(config):
        console.warn(warning)
    finished = local.run(config, console, local.Request(args.start, args.end, args.no_cache))
    if args.end is None:
        # A part of a run is nothing that others wait for.
        local.tell_hooks(config, console, finished)
    summary, code = finished.summary, finished.summary["exit_code"]
    console.result(summary)
    # rich is for people only, and takes a while to import.
    from pipeline.display import report

    console.say(report(finished))
    if code:
        resume = local.resume_command(config, args.workspace)
        # The innermost lines for people; the JSON result is the summary.
        excerpts = [f"  {line}" for lines in finished.excerpts.values() for line in lines]
        told = [*finished.failures, *excerpts, f"log      {finished.log}", f"resume   {resume}"]
        console.error("\n".join(told), code)
    if summary["status"] == "blocked" and args.fail_on_blocked:
        message = "nothing was pushed: --fail-on-blocked wants a variant that passes the gate, and none did"
        console.error(message, BLOCKED_EXIT_CODE)
        return BLOCKED_EXIT_CODE
    return int(code)

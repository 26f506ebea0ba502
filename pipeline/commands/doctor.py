"""`doctor`: does the environment work, and if not, what to do."""

import argparse
from dataclasses import asdict
from itertools import chain
from pathlib import Path

from pipeline import engine_check
from pipeline.commands.config_argument import add_config, load_config
from pipeline.console import Console
from pipeline.doctor import Check, examine

HELP = "check that the environment works"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments: with a configuration, the engine that it names is looked at too."""
    add_config(parser, required=False)


def execute(args: argparse.Namespace, console: Console) -> int:
    """Prints each check as it ends; returns 1 when one found a fault."""
    config = None if args.config is None else load_config(args)
    workspace = (config.workspace if config else args.workspace) or Path(".edge")
    checks = []
    for check in chain(engine_check.examine(config) if config else (), examine(workspace)):
        checks.append(check)
        console.show(line(check))
    faults = sum(check.status == "fault" for check in checks)
    console.show(f"{faults} of {len(checks)} checks found a fault" if faults else "the environment works")
    console.result({"ok": not faults, "checks": [asdict(check) for check in checks]})
    return 1 if faults else 0


def line(check: Check) -> str:
    """One check as text, its remedy below it."""
    text = f"{check.status:<7}  {check.name:<18}  {check.found}"
    return f"{text}\n{'':<29}{check.remedy}" if check.remedy else text

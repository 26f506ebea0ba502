"""`completion SHELL`: a script that completes commands, options, configurations and variants."""

import argparse

from pipeline import cli
from pipeline.completion import SHELLS, Words, script
from pipeline.console import Console

HELP = "print a script for completion in the shell"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}")


def execute(args: argparse.Namespace, console: Console) -> int:
    """Prints the script."""
    commands = {name: Words.of(command.help, cli.parser_of(name)) for name, command in cli.COMMANDS.items()}
    text = script(args.shell, cli.PROGRAM, commands)
    console.show(text.removesuffix("\n"))
    console.result({"shell": args.shell, "script": text})
    return 0

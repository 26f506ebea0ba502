"""The command line: which commands there are, and what each of them shares with the others."""

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from pipeline.console import Console
from pipeline.errors import EdgeError, UserError

PROGRAM = "tfx-edge"


@dataclass(frozen=True)
class Command:
    """One row of the table; the module is imported when the command is called, not before.

    Attributes:
        module: Dotted name of a module with `HELP`, `configure(parser)` and `execute(args, console) -> int`.
        help: The module's `HELP`, repeated here so that the list of commands needs no import.
    """

    module: str
    help: str


COMMANDS: dict[str, Command] = {
    "run": Command("pipeline.commands.run", "train, compress, gate and push"),
    "cycle": Command("pipeline.commands.cycle", "retrain, compress, gate and push when there is something new"),
    "validate": Command("pipeline.commands.validate", "check a configuration and what it points to"),
    "plan": Command("pipeline.commands.plan", "show the tree of variants that a configuration makes"),
    "runs": Command("pipeline.commands.runs", "list the runs of a workspace"),
    "explain": Command("pipeline.commands.explain", "say why a variant ended as it did, and what to try next"),
    "report": Command("pipeline.commands.report", "write the report of a run anew, or serve all of them with --serve"),
    "registry": Command("pipeline.commands.registry", "list, show, verify or change what is pushed"),
    "data-schema": Command("pipeline.commands.data_schema", "show or update what data must look like"),
    "schema": Command("pipeline.commands.schema", "print the JSON Schema of the configuration"),
    "doctor": Command("pipeline.commands.doctor", "check that the environment works"),
    "data": Command("pipeline.commands.data", "put example data in place"),
    "init": Command("pipeline.commands.init", "write a starter configuration and model module for your data"),
    "completion": Command("pipeline.commands.completion", "print a script for completion in the shell"),
}


@dataclass(frozen=True)
class Program:
    """A command line: this one, or another that behaves alike.

    Attributes:
        name: How it is called.
        summary: What it is, in one sentence.
        commands: Its table of commands.
    """

    name: str
    summary: str
    commands: Mapping[str, Command]


TFX_EDGE = Program(PROGRAM, "One YAML file in, one proven edge model out.", COMMANDS)


class _Parser(argparse.ArgumentParser):
    """argparse whose usage errors are the user's input being wrong, like any other."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see {self.prog} --help")


def _shared_options(program: Program) -> argparse.ArgumentParser:
    parser = _Parser(prog=program.name, add_help=False, allow_abbrev=False)
    group = parser.add_argument_group("options of every command")
    # SUPPRESS: what stands before the command must survive the parse of what stands after it.
    group.add_argument(
        "--workspace", type=Path, metavar="DIR", default=argparse.SUPPRESS, help="folder to keep everything in"
    )
    group.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object and nothing else"
    )
    group.add_argument(
        "--quiet", action="store_true", default=argparse.SUPPRESS, help="print only what was asked for, and warnings"
    )
    return parser


def _overview(program: Program) -> argparse.ArgumentParser:
    """The parser behind `tfx-edge --help`: lists all commands and parses none."""
    width = max(map(len, program.commands))
    rows = "\n".join(f"  {name:<{width}}  {command.help}" for name, command in program.commands.items())
    return _Parser(
        prog=program.name,
        usage=f"{program.name} COMMAND ... [--workspace DIR] [--json] [--quiet]",
        description=program.summary,
        epilog=f"commands:\n{rows}\n\n{program.name} COMMAND --help explains one of them.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[_shared_options(program)],
    )


def parse(argv: Sequence[str], program: Program = TFX_EDGE) -> argparse.Namespace:
    """Finds the command and parses its arguments; `execute` of the result is what to call.

    Raises:
        UserError: The arguments are wrong.
        SystemExit: Help was asked for and printed.
    """
    shared = _shared_options(program)
    options, rest = shared.parse_known_args(argv)
    commands, see = program.commands, f"see {program.name} --help"
    if not rest or rest[0] in ("-h", "--help"):
        if not rest:
            raise UserError(f"a command must be given ({', '.join(commands)}), got none; {see}")
        _overview(program).parse_args(["--help"])
    name = rest[0]
    if name.startswith("-"):
        raise UserError(f"unrecognized option {name} in front of the command; {see}")
    if name not in commands:
        from pipeline.config.faults import nearest

        advice = nearest(name, commands) or see
        raise UserError(f"the command must be one of {', '.join(commands)}, got {name}; {advice}")
    parser = parser_of(name, program)
    parser.set_defaults(workspace=None, json=False, quiet=False)
    args = parser.parse_args(rest[1:], namespace=options)
    args.execute = importlib.import_module(commands[name].module).execute
    return args


def parser_of(name: str, program: Program = TFX_EDGE) -> argparse.ArgumentParser:
    """The parser of one command."""
    module = importlib.import_module(program.commands[name].module)
    parser = _Parser(
        prog=f"{program.name} {name}",
        description=module.HELP,
        allow_abbrev=False,
        parents=[_shared_options(program)],
    )
    module.configure(parser)
    return parser


def main(argv: Sequence[str] | None = None, program: Program = TFX_EDGE) -> int:
    """Runs one command; returns its exit code, whatever happens."""
    _prepare_environment()
    argv = sys.argv[1:] if argv is None else argv
    # Before parsing, because errors of the parse want to be JSON too.
    console = Console(json_mode="--json" in argv, quiet="--quiet" in argv)
    try:
        code = _execute(argv, console, program)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader went away (`... | head`): without this, Python complains once more while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


def _execute(argv: Sequence[str], console: Console, program: Program) -> int:
    try:
        args = parse(argv, program)
        return int(args.execute(args, console))
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 0
    except EdgeError as error:
        console.error(str(error), error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        console.error("interrupted", 130)
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get("TFX_EDGE_TRACEBACK") == "1":
            traceback.print_exc()
        cause = " ".join(f"{type(error).__name__}: {error}".split())
        console.error(f"{cause}; this is a bug in {program.name}; TFX_EDGE_TRACEBACK=1 shows where", 1)
        return 1


def _prepare_environment() -> None:
    # Both must stand before the first import of TensorFlow, which the command's module may do.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # The installed script, unlike `python -m`, does not look for the user's model module in the working directory.
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)

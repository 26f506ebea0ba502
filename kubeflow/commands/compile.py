"""`compile CONFIG`: writes the package for Kubeflow Pipelines."""

import argparse
import tempfile
from pathlib import Path

from kubeflow.refusals import refuse
from pipeline import run_log
from pipeline.commands.config_argument import add_config, load_config
from pipeline.console import Console
from pipeline.errors import UserError

HELP = "write the pipeline as Kubeflow Pipelines reads it"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_config(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to a file instead of standard output")


def execute(args: argparse.Namespace, console: Console) -> int:
    """Compiles, offline."""
    config = load_config(args)
    refuse(config)
    with tempfile.TemporaryDirectory() as folder, run_log.into(Path(folder) / "compile.log"):
        # TensorFlow and TFX print a lot while they are imported already.
        from kubeflow.compile import compile_package

        text = compile_package(config).to_yaml()
    if args.output is None:
        console.show(text.removesuffix("\n"))
    else:
        try:
            args.output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UserError(f"{args.output} must be writable, got: {error.strerror}") from None
        console.say(f"wrote {args.output}")
    console.result({"package": text} if args.output is None else {"written": str(args.output)})
    return 0

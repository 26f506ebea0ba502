"""The `CONFIG` argument, for the commands that have one."""

import argparse
from pathlib import Path

from pipeline.config import Config, load


def add_config(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Declares the positional `CONFIG`."""
    parser.add_argument(
        "config", type=Path, metavar="CONFIG", nargs=None if required else "?", help="the pipeline's YAML file"
    )


def load_config(args: argparse.Namespace) -> Config:
    """Loads `CONFIG`; `--workspace` replaces its `runtime.workspace`.

    Raises:
        UserError: The file or the option is wrong.
    """
    overrides = {} if args.workspace is None else {"runtime.workspace": str(args.workspace)}
    return load(args.config, overrides)

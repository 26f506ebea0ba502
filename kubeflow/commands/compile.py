"""`compile CONFIG`: writes the package for Kubeflow Pipelines, and holds it to every rule."""

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kubeflow.refusals import refuse, warnings
from pipeline import run_log
from pipeline.commands.config_argument import add_config, load_config
from pipeline.config import Config
from pipeline.console import Console
from pipeline.errors import EdgeError, UserError

if TYPE_CHECKING:
    from kubeflow.package import Package

HELP = "write the pipeline as Kubeflow Pipelines reads it"

SUFFIXES = (".yaml", ".yml")
"""Kubeflow's clients look at the name of a file to know what it is."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_config(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write to a file instead of standard output")
    parser.add_argument(
        "--check", action="store_true", help="show every rule that the package was held to, instead of the package"
    )


def execute(args: argparse.Namespace, console: Console) -> int:
    """Compiles, offline."""
    output: Path | None = args.output
    if output is not None and output.suffix not in SUFFIXES:
        raise UserError(f"--output must end in {' or '.join(SUFFIXES)}, got {output}; Kubeflow goes by the name")
    config = load_config(args)
    for warning in warnings(config, refuse(config)):
        console.warn(warning)
    package = _compile(config)
    broken = _check(package, console, show=args.check)
    if broken:
        raise EdgeError("\n".join(broken))
    text = package.to_yaml()
    if output is not None:
        _write(output, text)
        console.say(f"wrote {output}")
    elif not args.check:
        console.show(text.removesuffix("\n"))
    console.result(_result(package, output, text))
    return 0


def _compile(config: Config) -> "Package":
    with tempfile.TemporaryDirectory() as folder, run_log.into(Path(folder) / "compile.log"):
        # TensorFlow and TFX print a lot while they are imported already.
        from kubeflow.compile import compile_package

        return compile_package(config)


def _check(package: "Package", console: Console, *, show: bool) -> list[str]:
    """What the package breaks, each with the name of its rule."""
    from kubeflow.check import RULES, check

    found = check(package)
    width = max(map(len, found))
    for name, faults in found.items() if show else ():
        console.show(f"{'broken' if faults else 'kept'}  {name:<{width}}  or else: {RULES[name].prevents}")
    return [f"{name}: {fault}" for name, faults in found.items() for fault in faults]


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} must be writable, got: {error.strerror}") from None


def _result(package: "Package", output: Path | None, text: str) -> dict[str, object]:
    from kubeflow.check import RULES

    tasks = list(package.pipeline["root"]["dag"]["tasks"])
    shared: dict[str, object] = {"name": package.pipeline["pipelineInfo"]["name"], "tasks": tasks, "rules": list(RULES)}
    return shared | ({"package": text} if output is None else {"written": str(output)})

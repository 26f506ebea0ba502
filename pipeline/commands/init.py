"""`init --data PATH --label FEATURE`: a first configuration and model module for the user's data."""

import argparse
import json
import re
import sys
from pathlib import Path

from pipeline.config.names import PIPELINE_NAME, WORDS
from pipeline.config.schema import json_schema
from pipeline.console import Console
from pipeline.data_shape import DataShape, look_at
from pipeline.errors import UserError
from pipeline.starter import Starter, pipeline_name

HELP = "write a starter configuration and model module for your data"

_TASKS = ("multiclass", "binary", "regression")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("folder", type=Path, nargs="?", default=Path(), metavar="DIR", help="where to, by default here")
    parser.add_argument("--data", type=Path, required=True, metavar="PATH", help="an .npz file or a TFRecord folder")
    parser.add_argument("--label", metavar="FEATURE", help="what to predict; asked for on a terminal")
    parser.add_argument("--task", choices=_TASKS, help="asked for on a terminal, with what the labels suggest")
    parser.add_argument("--inputs", metavar="A,B", help="what to predict it from, by default all else")
    parser.add_argument("--name", help="name of the pipeline, by default that of the data")


def execute(args: argparse.Namespace, console: Console) -> int:
    """Looks at the data, then writes what is not there yet."""
    shape = look_at(args.data)
    label = args.label or _ask("--label", f"what to predict ({', '.join(shape.features)})", None)
    _check_known("--label", label, shape)
    task = args.task or _ask("--task", f"task ({', '.join(_TASKS)})", suggested_task(shape, label))
    if task not in _TASKS:
        raise UserError(f"--task must be one of {', '.join(_TASKS)}, got {task}")
    inputs = tuple(args.inputs.split(",")) if args.inputs else tuple(name for name in shape.features if name != label)
    for name in inputs:
        _check_known("--inputs", name, shape)
    if not inputs or label in inputs:
        raise UserError(f"--inputs must name features other than the label {label}, got {', '.join(inputs) or 'none'}")
    if args.name and not re.fullmatch(PIPELINE_NAME, args.name):
        raise UserError(f"--name must be {WORDS[PIPELINE_NAME]}, got {args.name}")
    starter = Starter(args.name or pipeline_name(args.data), _path(args), shape, task, label, inputs)
    written = write(args.folder, starter)
    config = written[0].relative_to(args.folder)
    where = "" if args.folder == Path() else f"cd {args.folder}; "
    console.say("\n".join(f"wrote {path}" for path in written))
    console.say(f"next: {where}{sys.executable} -m pipeline run {config}")
    console.result({"written": [str(path) for path in written], "task": task, "label": label, "inputs": list(inputs)})
    return 0


def write(folder: Path, starter: Starter) -> list[Path]:
    """Writes configuration, module, and what they need; returns the new files, the configuration first.

    Raises:
        UserError: One of both is there already, or the folder cannot be written.
    """
    configs, models = folder / "configs", folder / "models"
    texts = {
        configs / f"{starter.module}.yaml": starter.configuration("schema.json"),
        models / f"{starter.module}.py": starter.model(),
    }
    there = [str(path) for path in texts if path.exists()]
    if there:
        raise UserError(f"nothing is overwritten, but {', '.join(there)} is there already; choose another --name")
    # A package, lest another one of the same name elsewhere be found first.
    beside = {configs / "schema.json": json.dumps(json_schema(), indent=2) + "\n", models / "__init__.py": ""}
    texts |= {path: text for path, text in beside.items() if not path.exists()}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise UserError(f"{folder} must be a folder that can be written, got: {error}") from error
    return list(texts)


def suggested_task(shape: DataShape, label: str) -> str:
    """What the labels look like."""
    feature = shape.features[label]
    if not feature.whole:
        return "regression"
    return "binary" if feature.distinct == 2 and feature.high == 1 else "multiclass"


def _path(args: argparse.Namespace) -> str:
    """The data as seen from the folder, or whole when they are elsewhere."""
    data, folder = args.data.resolve(), args.folder.resolve()
    return str(data.relative_to(folder) if data.is_relative_to(folder) else data)


def _check_known(option: str, name: str, shape: DataShape) -> None:
    if name not in shape.features:
        raise UserError(f"{option} must name features of the data ({', '.join(shape.features)}), got {name}")


def _ask(option: str, question: str, suggestion: str | None) -> str:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        advice = f"; the labels suggest {suggestion}" if suggestion else ""
        raise UserError(f"{option} must be given where nobody can be asked, got none: {question}{advice}")
    # On standard error: standard output may be the JSON result.
    sys.stderr.write(f"{question}{f' [{suggestion}]' if suggestion else ''}: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() or suggestion or ""

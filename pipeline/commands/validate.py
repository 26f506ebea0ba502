"""`validate CONFIG`: everything that can be checked without TensorFlow."""

import argparse

from components.spans import Pattern, Window
from pipeline.commands.config_argument import add_config, load_config
from pipeline.config import Config
from pipeline.console import Console
from pipeline.plan import make_plan
from pipeline.preflight import check, warnings
from pipeline.sources import read_spans

HELP = "check a configuration and what it points to"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_config(parser)


def execute(args: argparse.Namespace, console: Console) -> int:
    """Loads the file and looks at the data and the model module that it names."""
    config = load_config(args)
    check(config)
    warned = warnings(config)
    for warning in warned:
        console.warn(warning)
    plan = make_plan(config)
    shared = sum(len(node.variants) > 1 for node in plan.steps)
    facts = f"{_count(len(plan.variants), 'variant')}, {_count(len(plan.steps), 'training step')}"
    console.say(f"{config.file} is valid: {facts}" + (f", {shared} of them shared" if shared else ""))
    window = read_spans(config)
    if window is not None:
        console.say(_spans(config, window))
    console.result(
        {
            "valid": True,
            "file": config.file,
            "name": config.name,
            "variants": list(config.variants),
            "workspace": str(config.workspace),
            "config_sha256": config.sha256,
            "spans": [] if window is None else [delivery.span for delivery in window.deliveries],
            "missing_spans": [] if window is None else list(window.missing),
            "warnings": warned,
        }
    )
    return 0


def _spans(config: Config, window: Window) -> str:
    """Which spans a run would read, and which of them are missing."""
    pattern = Pattern(config.data.path)
    names = [pattern.name_of(delivery.span) for delivery in window.deliveries]
    read = f"span {names[0]}" if len(names) == 1 else f"{len(names)} spans, {names[0]} to {names[-1]}"
    missing = ", ".join(map(pattern.name_of, window.missing))
    return f"reads {read}" + (f"; missing between them: {missing}" if missing else "")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"

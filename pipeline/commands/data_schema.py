"""`data-schema show|update CONFIG`: what data must look like, and how that is inferred anew."""

import argparse
import difflib
from pathlib import Path

from pipeline import frozen_schema, run_log
from pipeline.commands.config_argument import add_config, load_config
from pipeline.config import Config
from pipeline.console import Console
from pipeline.durable import replace_text
from pipeline.errors import UserError
from pipeline.workspace import Workspace

HELP = "show or update what data must look like"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("action", choices=["show", "update"], help="what to do")
    add_config(parser)


def execute(args: argparse.Namespace, console: Console) -> int:
    """Does the action."""
    config = load_config(args)
    return (_show if args.action == "show" else _update)(config, console)


def _show(config: Config, console: Console) -> int:
    source = frozen_schema.source(config)
    path = config.data.schema_path if source == "given" else str(frozen_schema.place(config))
    text = None
    if source == "inferred":
        when = "the first model that is pushed freezes it" if frozen_schema.freezes(config) else "every run infers it"
        console.show(f"inferred from the train split of every run; {when}")
    else:
        text = _read(Path(str(path))) if source == "given" else frozen_schema.read(config)
        console.say(f"{source}: {path}")
        console.show(text.removesuffix("\n"))
    console.result({"source": source, "path": None if text is None else path, "schema": text})
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise UserError(f"data.schema must be a file that can be read, got {path} ({error.strerror})") from error


def _update(config: Config, console: Console) -> int:
    if not frozen_schema.freezes(config):
        must = "data-schema update needs data with spans or data.guard, and no data.schema"
        raise UserError(f"{must}, got {config.file}, whose schema is {frozen_schema.source(config)}; edit data.schema")
    statistics = _newest_statistics(config)
    workspace, place = Workspace(config.workspace), frozen_schema.place(config)
    with workspace.held():
        before = frozen_schema.read(config) if place.exists() else ""
        after = _infer(statistics, workspace)
        changes = _difference(before, after)
        if changes or not before:
            if before:
                replace_text(place.with_name(f"{place.name}.previous"), before)
            # Imported from now on, whichever data it was inferred from.
            frozen_schema.write(config, after, "")
    for line in changes:
        console.show(line)
    console.say(f"{place}: {'nothing changed' if before and not changes else 'inferred anew'} from {statistics}")
    console.result({"path": str(place), "changed": bool(changes) or not before, "difference": changes})
    return 0


def _newest_statistics(config: Config) -> Path:
    found = (Workspace(config.workspace).artifacts / "statistics" / "statistics").glob("*/Split-train/FeatureStats.pb")
    newest = max(found, key=lambda path: int(path.parts[-3]), default=None)
    if newest is None:
        raise UserError(f"{config.workspace} must hold statistics of a run, but holds none; run the pipeline first")
    return newest


def _infer(statistics: Path, workspace: Workspace) -> str:
    with run_log.into(workspace.root / "data-schema.log"):
        # `tfx` repairs names of TFDV's package, so it is imported before it.
        import tfx  # noqa: F401

        # isort: split
        import tensorflow_data_validation as tfdv
        from google.protobuf import text_format

        schema = tfdv.infer_schema(tfdv.load_stats_binary(str(statistics)), infer_feature_shape=True)
        return text_format.MessageToString(schema)


def _difference(before: str, after: str) -> list[str]:
    old, new = (frozen_schema.body(text).splitlines() for text in (before, after))
    return list(difflib.unified_diff(old, new, "frozen", "inferred", lineterm="", n=2)) if before else []

"""Looks at what a configuration points to, before anything is imported or run. Needs no TensorFlow."""

import ast
import importlib.util
import os
import sys
import zipfile
from importlib.machinery import PathFinder
from pathlib import Path

from components.places import Place, RemotePath, Unreachable, place
from components.source_files import data_files
from components.spans import SpanError, unreachable
from compression.errors import CompressionError
from compression.model_file import check_model_file
from pipeline import frozen_schema
from pipeline.config import Config, Fault, SplitRange
from pipeline.edge_preflight import edge_faults, edge_warnings
from pipeline.hooks import hook_faults
from pipeline.sources import read_spans
from pipeline.sufficiency import eval_warnings
from registry import RegistryError
from registry.signing import signer

_FOLDERS = {
    "images": "a folder of JPEG or PNG files for every class",
    "audio": "a folder of WAV files for every class",
}
"""What must lie at `data.path`, by format."""


def check(config: Config) -> None:
    """Checks that data, schema, model module, pretrained model and device profile are there and look right.

    Raises:
        UserError: With all faults, each at its line of the configuration.
    """
    faults = [*_data_faults(config), *_schema_faults(config), *_module_faults(config), *edge_faults(config)]
    faults += [*_pretrained_faults(config), *_push_faults(config), *hook_faults(config)]
    if faults:
        raise config.refuse(faults)


def check_model_source(config: Config) -> None:
    """Checks that the model module and the pretrained model are there and look right.

    Raises:
        UserError: With all faults, each at its line of the configuration.
    """
    faults = [*_module_faults(config), *_pretrained_faults(config)]
    if faults:
        raise config.refuse(faults)


def check_code(config: Config) -> None:
    """Checks what is compiled in, for runs whose data and registry are elsewhere.

    Raises:
        UserError: With all faults, each at its line of the configuration.
    """
    faults = [*_schema_faults(config), *_module_faults(config), *edge_faults(config), *_pretrained_faults(config)]
    if faults:
        raise config.refuse(faults)


def warnings(config: Config) -> list[str]:
    """What would block every variant, of a configuration that `check` takes."""
    return [*eval_warnings(config), *edge_warnings(config)]


def _data_faults(config: Config) -> list[Fault]:
    try:
        window = read_spans(config)
    except SpanError as error:
        return [Fault(("data", "path"), error.must, error.got, error.advice)]
    if window is None:
        try:
            return _root_faults(config, place(config.data.path))
        except Unreachable as error:
            told = unreachable(config.data.path, error)
            return [Fault(("data", "path"), told.must, told.got, told.advice)]
    # A span may be one file, which holds something: an empty one is no span.
    roots = [delivery.path for delivery in window.deliveries if config.data.format == "npz" or delivery.path.is_dir()]
    return [fault for root in roots for fault in _root_faults(config, root)]


def _root_faults(config: Config, root: Place) -> list[Fault]:
    """What is wrong with the folder or file that holds all data, or those of one span."""
    if config.data.format == "npz":
        return [] if root.is_dir() and data_files("npz", root, "") else _npz_faults(config, root)
    if config.data.format in ("csv", "parquet") and root.is_file():
        return []
    return _folder_faults(config, root)


def _folder_faults(config: Config, path: Place) -> list[Fault]:
    here = ("data", "path")
    if not path.exists():
        table = config.data.format in ("csv", "parquet")
        ours = path == Path("data") / config.name or (table and isinstance(path, Path) and path.parts[:1] == ("data",))
        advice = f"tfx-edge data fetch {config.name} may put it there" if ours else None
        must = "must be an existing file or folder" if table else "must be an existing folder"
        return [Fault(here, must, f"{path}, which does not exist", advice)]
    if not path.is_dir():
        return [Fault(here, "must be a folder", f"the file {path}")]
    faults = []
    for name, part in config.data.splits.ranges().items():
        folder = path if part.source is None else path / part.source
        if part.source is not None and not folder.is_dir():
            found = ", ".join(sorted(entry.name for entry in path.iterdir() if entry.is_dir())) or "no folders"
            faults.append(
                Fault(("data", "splits", name), f"must be a folder in {path}", f"{part.source} beside {found}")
            )
        elif not data_files(config.data.format, path, part.source or ""):
            where = here if part.source is None else ("data", "splits", name)
            what = _FOLDERS.get(config.data.format)
            must = f"must hold {what or 'at least one data file'}"
            faults.append(Fault(where, must, f"{folder}, which does not" if what else f"the empty folder {folder}"))
    return list(dict.fromkeys(faults))


def _npz_faults(config: Config, path: Place) -> list[Fault]:
    here = ("data", "path")
    if not path.is_file():
        got = "a folder" if path.is_dir() else f"{path}, which does not exist"
        advice = (
            f"tfx-edge data fetch {config.name} may put it there"
            if isinstance(path, Path) and path.parts[:1] == ("data",)
            else None
        )
        return [Fault(here, "must be an existing .npz file", got, advice)]
    if isinstance(path, RemotePath):
        return []  # to look into it, it would have to be fetched: ingest does
    try:
        with zipfile.ZipFile(path) as archive:
            held = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
    except (zipfile.BadZipFile, OSError) as error:
        return [Fault(here, "must be a readable .npz file", f"{path} ({error})")]
    faults = []
    for feature, template in (config.data.arrays or {}).items():
        missing = [name for name in _array_names(template, config.data.splits.ranges()) if name not in held]
        if missing:
            got = f"none of that name among {', '.join(sorted(held)) or 'no arrays at all'}"
            faults.append(Fault(("data", "arrays", feature), f"must name arrays in {path}: {', '.join(missing)}", got))
    return faults


def _array_names(template: str, parts: dict[str, SplitRange]) -> list[str]:
    return list(dict.fromkeys(template.replace("{split}", part.source or "") for part in parts.values()))


def _schema_faults(config: Config) -> list[Fault]:
    path = config.data.schema_path
    if path is None or Path(path).is_file():
        if frozen_schema.source(config) == "frozen":
            frozen_schema.read(config)  # refuses a broken one
        return []
    return [Fault(("data", "schema"), "must be an existing file", f"{path}, which is none")]


def _push_faults(config: Config) -> list[Fault]:
    """A missing key must not be found out after a night of training."""
    name = config.push.sign_key_env
    if name is None:
        return []
    here = ("push", "sign_key_env")
    if not os.environ.get(name):
        return [Fault(here, "must name an environment variable that holds a key", f"{name}, which is not set")]
    try:
        signer(os.environ[name])
    except RegistryError as error:
        return [Fault(here, "must name an Ed25519 private key in PEM form", "something else", str(error))]
    return []


def _pretrained_faults(config: Config) -> list[Fault]:
    if config.model.pretrained is None:
        return []
    try:
        check_model_file(Path(config.model.pretrained))
    except CompressionError as error:
        # One sentence: "X must hold, got Y; do Z".
        must, _, rest = str(error).partition(", got ")
        return [Fault(("model", "pretrained"), must[must.index("must") :], *rest.partition("; ")[::2])]
    return []


def _module_faults(config: Config) -> list[Fault]:
    here = ("model", "module")
    name = config.model.module
    if name is None:
        return []
    path = module_file(name)
    if path is None:
        wanted = name.replace(".", "/") + ".py"
        return [
            Fault(here, f"must name a Python module, such as {wanted} in the working directory", f"{name}: not found")
        ]
    try:
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        return [Fault(here, "must be valid Python", f"{path}:{error.lineno}: {error.msg}")]
    except (ValueError, OSError) as error:
        return [Fault(here, "must be readable Python", f"{path}: {error}")]
    defined = _top_level_names(tree)
    if None in defined:
        return []  # `from x import *`: only the import can tell
    missing = [function for function in _needed_functions(config) if function not in defined]
    faults = [Fault(here, f"must define the function {function}", f"{path} without it") for function in missing]
    if config.model.search is not None and "search_space" not in defined:
        must = "must come with the function search_space in the model module"
        faults.append(Fault(("model", "search"), must, f"{path} without it"))
    return faults


def _needed_functions(config: Config) -> tuple[str, ...]:
    """A model that was trained elsewhere is not built."""
    return ("preprocessing_fn",) if config.model.pretrained is not None else ("preprocessing_fn", "build_model")


def _top_level_names(tree: ast.Module) -> set[str | None]:
    """Names that can be called after an import; None stands for what a star import may bring."""
    names: set[str | None] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names |= {None if alias.name == "*" else alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.If | ast.Try):
            names.add(None)
    return names


def module_file(name: str) -> Path | None:
    """The source file of a module, found without importing it or its parents; None: there is none.

    `importlib.util.find_spec` would run the parents' `__init__`, which may import TensorFlow.
    """
    importlib.invalidate_caches()
    search: list[str] | None = None
    spec = None
    *parents, _ = parts = name.split(".")
    for depth in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: depth + 1]), search if depth else sys.path)
        if spec is None:
            return None
        if depth < len(parents):
            if spec.submodule_search_locations is None:
                return None
            search = list(spec.submodule_search_locations)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)

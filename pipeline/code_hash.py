"""Hashes of the code that a node runs, for its cache key: TFX itself sees neither dotted functions nor imports."""

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path


def code_sha256(*modules: str) -> str:
    """Hash of the source of `modules` and of all that they import from the same source trees, directly or not.

    Installed packages are left out: their versions are pinned by the lock.

    Args:
        modules: Dotted names.
    """
    sources: dict[str, bytes] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        path = _source(name)
        if path is None or name in sources:
            continue
        sources[name] = path.read_bytes()
        waiting += _imports(name, sources[name], path.name == "__init__.py")
    digest = hashlib.sha256()
    for name in sorted(sources):
        digest.update(f"{name}\0{len(sources[name])}\0".encode() + sources[name])
    return digest.hexdigest()


@cache
def _imports(name: str, source: bytes, is_package: bool) -> tuple[str, ...]:
    """Names that a source imports; kept, because the nodes of a graph share most of their sources."""
    return tuple(_names(name, source, is_package=is_package))


def _names(name: str, source: bytes, *, is_package: bool) -> Iterator[str]:
    package = name if is_package else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _with_parents(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = importlib.util.resolve_name("." * node.level + base, package)
            yield from _with_parents(base)
            # `from package import x` may name a module; if it names a thing, there is no source of that name.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


@cache
def _source(name: str) -> Path | None:
    """Source file of a module that is not installed; found without importing it."""
    parts = name.split(".")
    for root in sys.path:
        base = Path(root or ".").resolve()
        if "site-packages" in base.parts or "dist-packages" in base.parts or base == Path(ast.__file__).parent:
            continue
        for path in (base.joinpath(*parts).with_suffix(".py"), base.joinpath(*parts, "__init__.py")):
            if path.is_file():
                return path
    return None

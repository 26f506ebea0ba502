"""JSON files of the workspace that are there whole or not at all, whatever kills the process that writes them."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.atomic import flush_folder, write_flushed


def replace_json(path: Path, value: Mapping[str, Any], *, flushed: bool = True) -> None:
    """Replaces a file in one step; see `replace_text`.

    Args:
        path: The file; its folder exists.
        value: JSON values.
        flushed: Wait until the disk holds it.
    """
    replace_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n", flushed=flushed)


def replace_text(path: Path, text: str, *, flushed: bool = True) -> None:
    """Replaces a file in one step.

    Args:
        path: The file; its folder exists.
        text: Its content.
        flushed: Wait until the disk holds it, so that it outlives a power cut too.

    Raises:
        OSError: The disk is full, or the folder cannot be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.incoming")
    content = text.encode()
    try:
        # Left by a process of the same number that was killed.
        beside.unlink(missing_ok=True)
        if flushed:
            write_flushed(beside, content)
        else:
            beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    if flushed:
        flush_folder(path.parent)


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object of a file; None when there is none, or something else stands there."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None

"""Files that outlive a power cut: flushed before they are named, and renamed in one step."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.errors import RegistryError


def write_flushed(path: Path, content: bytes) -> None:
    """Writes a new file and waits until the disk holds it.

    Raises:
        OSError: The disk is full, or the folder cannot be written.
    """
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Waits until the disk holds the names in `folder`: a rename is durable only after this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def json_bytes(value: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys, indented, ended by a newline.

    Raises:
        RegistryError: A value is not JSON, a NaN included (no JSON reader takes one).
    """
    try:
        return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise RegistryError(
            f"A manifest must hold JSON values with finite numbers only; it cannot be written: {error}. "
            "Convert the value (a missing number is null) before pushing."
        ) from error


def parse_object(content: bytes, place: str) -> dict[str, Any]:
    """One JSON object.

    Args:
        content: Its text.
        place: Where it was read, for messages.

    Raises:
        RegistryError: It is something other than one JSON object.
    """
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"{place} must hold one JSON object; reading it gave: {error}. {_REMEDY}") from error
    if not isinstance(value, dict):
        raise RegistryError(f"{place} must hold one JSON object; it holds a {type(value).__name__}. {_REMEDY}")
    return value


_REMEDY = "Restore the file from a copy, or remove it (a damaged version with its folder) and push again."

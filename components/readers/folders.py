"""Folders of small files, one folder for every class: what images and recordings have in common."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from components.ingest_spec import IngestSpec, SourceFile
from components.places import local_files
from components.readers.features import record
from components.readers.unreadable import BadFile
from components.source_files import class_files

GROUP = "group"
"""The feature that names what a file comes from, such as a person."""


def read_folder(
    file: SourceFile, spec: IngestSpec, feature: str, load: Callable[[Path], np.ndarray]
) -> Iterator[bytes | BadFile]:
    """One example for every file of a class's folder: what it holds, flattened, the number of its class, and its group.

    A file that cannot be read comes as a `BadFile`, for the caller to count.

    Args:
        file: The folder, a path or a URI.
        spec: With the names of the classes.
        feature: The feature for what a file holds.
        load: File to what it holds.
    """
    (label,) = spec.targets
    number = spec.classes[label].index(PurePosixPath(file.path).name)
    pattern = spec.folder_options.group if spec.folder_options else ""
    for path in local_files(file.path, lambda folder: class_files(spec.format, folder)):
        try:
            group = _group(path, pattern)
            content = load(path)
        except BadFile as error:
            yield error
            continue
        yield record({feature: content, label: number, GROUP: group})


def _group(path: Path, pattern: str) -> str | None:
    """Who or what a file's name says that it comes from."""
    if not pattern:
        return None
    found = re.match(pattern, path.name)
    if found is None or not found[1]:
        raise BadFile(f"{path.name} must have a name in which {pattern} finds a group")
    return found[1]

"""Folders of small files, one folder for every class: what images and recordings have in common."""

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from components.ingest_spec import IngestSpec, SourceFile
from components.places import local_files
from components.readers.features import record
from components.readers.unreadable import BadFile
from components.source_files import class_files


def read_folder(
    file: SourceFile, spec: IngestSpec, feature: str, load: Callable[[Path], np.ndarray]
) -> Iterator[bytes | BadFile]:
    """One example for every file of a class's folder: what it holds, flattened, and the number of its class.

    A file that cannot be read comes as a `BadFile`, for the caller to count.

    Args:
        file: The folder, a path or a URI.
        spec: With the names of the classes.
        feature: The feature for what a file holds.
        load: File to what it holds.
    """
    (label,) = spec.targets
    number = spec.classes[label].index(PurePosixPath(file.path).name)
    for path in local_files(file.path, lambda folder: class_files(spec.format, folder)):
        try:
            content = load(path)
        except BadFile as error:
            yield error
            continue
        yield record({feature: content, label: number})

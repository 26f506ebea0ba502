"""The table of readers: from a file to serialized `tf.Example` records.

A reader yields records in the file's order, and raises `UnreadableFile` where the file stops making sense. Those of
folders of images and recordings yield a `BadFile` for each that they cannot read.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

from components.ingest_spec import IngestSpec, SourceFile
from components.places import local_copy
from components.readers.arrays import read_arrays
from components.readers.audio import read_audio
from components.readers.csv import read_csv
from components.readers.images import read_images
from components.readers.parquet import read_parquet
from components.readers.tfrecord import read_tfrecord
from components.readers.unreadable import BadFile, UnreadableFile
from components.source_files import FOLDERS_OF_CLASSES

READERS: dict[str, Callable[[SourceFile, IngestSpec], Iterator[bytes | BadFile]]] = {
    "tfrecord": read_tfrecord,
    "npz": read_arrays,
    "csv": read_csv,
    "images": read_images,
    "audio": read_audio,
    "parquet": read_parquet,
}


def local_source(file: SourceFile, spec: IngestSpec) -> AbstractContextManager[str]:
    """The path that a reader takes: of a file on a store that of a copy; folders of classes fetch their own files."""
    return nullcontext(file.path) if spec.format in FOLDERS_OF_CLASSES else local_copy(file.path)


__all__ = ["READERS", "BadFile", "UnreadableFile", "local_source"]

"""The table of readers: from a file to serialized `tf.Example` records.

A reader yields records in the file's order, and raises `UnreadableFile` where the file stops making sense. That of
images yields a `BadImage` for each that it cannot read.
"""

from collections.abc import Callable, Iterator

from components.ingest_spec import IngestSpec, SourceFile
from components.readers.arrays import read_arrays
from components.readers.csv import read_csv
from components.readers.images import BadImage, read_images
from components.readers.parquet import read_parquet
from components.readers.tfrecord import read_tfrecord
from components.readers.unreadable import UnreadableFile

READERS: dict[str, Callable[[SourceFile, IngestSpec], Iterator[bytes | BadImage]]] = {
    "tfrecord": read_tfrecord,
    "npz": read_arrays,
    "csv": read_csv,
    "images": read_images,
    "parquet": read_parquet,
}

__all__ = ["READERS", "BadImage", "UnreadableFile"]

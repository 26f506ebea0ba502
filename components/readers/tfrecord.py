"""TFRecord files of serialized `tf.Example`, plain or gzip."""

from collections.abc import Iterator

import tensorflow as tf

from components.ingest_spec import IngestSpec, SourceFile
from components.readers.unreadable import UnreadableFile


def read_tfrecord(file: SourceFile, spec: IngestSpec) -> Iterator[bytes]:
    """The records as they are."""
    del spec
    with tf.io.gfile.GFile(file.path, "rb") as stream:
        compression = "GZIP" if stream.read(2) == b"\x1f\x8b" else ""
    count = 0
    try:
        for record in tf.data.TFRecordDataset(file.path, compression_type=compression).as_numpy_iterator():
            count += 1
            yield record
    except tf.errors.OpError as error:
        raise UnreadableFile(f"corrupt or truncated after record {count}") from error

"""TFRecord files of serialized `tf.Example`, plain or gzip."""

from collections.abc import Iterator

import tensorflow as tf

from components.ingest_spec import IngestSpec, SourceFile
from components.readers.unreadable import UnreadableFile

_BATCH = 256
"""Records that TensorFlow hands over at a time; one by one takes three times as long."""


def read_tfrecord(file: SourceFile, spec: IngestSpec) -> Iterator[bytes]:
    """The records as they are."""
    del spec
    with tf.io.gfile.GFile(file.path, "rb") as stream:
        compression = "GZIP" if stream.read(2) == b"\x1f\x8b" else ""
    records = tf.data.TFRecordDataset(file.path, compression_type=compression)
    count = 0
    try:
        for batch in records.batch(_BATCH).as_numpy_iterator():
            count += len(batch)
            yield from batch
        return
    except tf.errors.OpError:
        damaged = records.skip(count)
    # The batch with the damage comes one by one, so that what stands before it is read and the place is known.
    try:
        for record in damaged.as_numpy_iterator():
            count += 1
            yield record
    except tf.errors.OpError as error:
        raise UnreadableFile(f"corrupt or truncated after record {count}") from error

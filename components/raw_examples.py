"""Raw examples, as ingest wrote them, as arrays by feature."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import Examples

Arrays = dict[str, np.ndarray]


def fixed_features(feature_spec: dict[str, Any]) -> dict[str, tf.io.FixedLenFeature]:
    """The numeric features of a known length: those that can be a model's input."""
    return {
        name: feature
        for name, feature in feature_spec.items()
        if isinstance(feature, tf.io.FixedLenFeature) and feature.dtype != tf.string
    }


def batches(
    examples: Examples,
    splits: Sequence[str],
    features: dict[str, tf.io.FixedLenFeature],
    *,
    count: int,
    batch_size: int,
) -> Iterator[Arrays]:
    """The first examples of some splits, `[batch, ...]` by feature.

    Args:
        examples: Gzipped TFRecords.
        splits: Splits to read, one after the other, until there are enough examples.
        features: Name, type and shape of what is read.
        count: Examples at most.
        batch_size: Examples in a batch at most.
    """
    files = [
        path
        for name in splits
        for path in sorted(tf.io.gfile.glob(f"{artifact_utils.get_split_uri([examples], name)}/*"))
    ]
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").take(count).batch(batch_size)
    for serialized in records:
        yield {name: values.numpy() for name, values in tf.io.parse_example(serialized, features).items()}

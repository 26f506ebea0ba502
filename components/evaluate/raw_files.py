"""Files of raw examples, read as a transform makes them or as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from components.errors import InputError
from components.evaluate.files import ExampleReader, wanted_columns
from components.transform_function import needed_features


@dataclass(frozen=True)
class Retransformed:
    """Raw files whose examples go through a transform while they are read.

    Attributes:
        transform_uri: The transform graph.
    """

    transform_uri: str

    def reader(self, names: Sequence[str], batch_size: int) -> ExampleReader:
        """Reads transformed columns; raw features that they do not depend on may be missing in the files.

        Raises:
            InputError: A name is not among the transformed features.
        """
        output = tft.TFTransformOutput(self.transform_uri)
        wanted = list(wanted_columns(output.transformed_feature_spec(), names))
        spec, layer = output.raw_feature_spec(), output.transform_features_layer()
        needed = needed_features(layer, spec, wanted)

        def transform(raw: dict[str, Any]) -> dict[str, Any]:
            made = layer(raw)
            return {name: made[name] for name in wanted}

        return ExampleReader({name: spec[name] for name in needed}, batch_size, transform)


@dataclass(frozen=True)
class Plain:
    """Raw files whose features are handed on as they are, to a model that takes them so.

    Attributes:
        inputs: Shape of one example, and NumPy's name of the type, of every input of the model.
    """

    inputs: Mapping[str, tuple[tuple[int, ...], str]]

    def reader(self, names: Sequence[str], batch_size: int) -> ExampleReader:
        """Reads the features of these names.

        Raises:
            InputError: A name is not among the model's inputs.
        """
        spec = {name: tf.io.FixedLenFeature(shape, _stored(dtype)) for name, (shape, dtype) in self.inputs.items()}
        return ExampleReader(wanted_columns(spec, names), batch_size)


def _stored(dtype: str) -> tf.DType:
    """The type in which examples hold what a model takes as `dtype`."""
    if dtype not in ("object", "str") and np.dtype(dtype).kind in "biu":
        return tf.int64
    if dtype == "float32":
        return tf.float32
    raise InputError(f"a model with raw inputs must take numbers, got an input of type {dtype}; export it anew")

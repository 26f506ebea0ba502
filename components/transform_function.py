"""What `preprocessing_fn` became, as a function from raw features to those that a model reads."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2

from components.errors import InputError

Tensors = dict[str, tf.Tensor]


class TransformFunction(tf.Module):
    """A transform graph with the raw features that some transformed features depend on.

    Attributes:
        raw: Name, type and shape, `[None, ...]`, of these raw features, in the order of their names. Integers are
            int64, as examples hold them, or uint8 where the schema's domain says that they fit.
        features: Names of the transformed features.
    """

    def __init__(self, transform: tft.TFTransformOutput, features: Sequence[str]) -> None:
        """Finds the raw features.

        Args:
            transform: The output of TFX's Transform.
            features: Transformed features that a model reads.

        Raises:
            InputError: A feature is not among the outputs, or depends on a string or on a feature of varying length.
        """
        super().__init__()
        known = transform.transformed_feature_spec()
        missing = [name for name in features if name not in known]
        if missing:
            raise InputError(
                f"preprocessing_fn must return what the model reads; {', '.join(missing)} is not among its outputs "
                f"{', '.join(sorted(known))}"
            )
        self.features = tuple(features)
        self._layer = transform.transform_features_layer()
        spec = transform.raw_feature_spec()
        needed = needed_features(self._layer, spec, self.features)
        _refuse_unfit(spec, needed)
        self._feature_spec = {name: spec[name] for name in needed}
        domains = transform.raw_domains()
        self.raw = {
            name: tf.TensorSpec([None, *spec[name].shape], _input_type(spec[name], domains.get(name)))
            for name in needed
        }

    @property
    def feature_spec(self) -> dict[str, tf.io.FixedLenFeature]:
        """The raw features as `tf.io.parse_example` takes them."""
        return dict(self._feature_spec)

    def __call__(self, raw: Mapping[str, Any]) -> Tensors:
        """The transformed features, `[batch, ...]` by name, of raw features in the types of `raw` or of examples."""
        found = self._layer({name: tf.cast(raw[name], self._feature_spec[name].dtype) for name in self.raw})
        return {name: found[name] for name in self.features}

    def arrays(self, raw: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The transformed features as arrays."""
        return {name: values.numpy() for name, values in self({k: tf.constant(raw[k]) for k in self.raw}).items()}


def needed_features(
    layer: Callable[[dict[str, Any]], dict[str, Any]], spec: Mapping[str, Any], features: Sequence[str]
) -> list[str]:
    """Raw features without which one of the transformed features is not there, sorted.

    The layer leaves out what it cannot compute from the features that it is given, so each raw feature in turn is
    withheld. Nothing is computed: this only traces.

    Args:
        layer: Raw features to transformed ones.
        spec: The raw features.
        features: Names of transformed features, all of which the layer computes.
    """
    needed: list[str] = []

    @tf.function(autograph=False)
    def trace() -> None:
        given = {name: _placeholder(feature) for name, feature in spec.items()}
        for name in sorted(spec):
            found = layer({other: value for other, value in given.items() if other != name})
            if not set(features) <= set(found):
                needed.append(name)

    trace.get_concrete_function()
    return needed


def _input_type(feature: tf.io.FixedLenFeature, domain: object) -> tf.DType:
    # What cameras give: eight times fewer bytes to move than int64.
    bounded = isinstance(domain, schema_pb2.IntDomain) and domain.HasField("max")
    return tf.uint8 if bounded and domain.min >= 0 and domain.max <= 255 else feature.dtype


def _placeholder(feature: Any) -> Any:  # noqa: ANN401 - dense, ragged or sparse
    if isinstance(feature, tf.io.FixedLenFeature):
        return tf.compat.v1.placeholder(feature.dtype, [None, *feature.shape])
    if isinstance(feature, tf.io.RaggedFeature):
        return tf.compat.v1.ragged.placeholder(feature.dtype, ragged_rank=1)
    return tf.compat.v1.sparse_placeholder(feature.dtype, [None, None])


def _refuse_unfit(spec: Mapping[str, Any], needed: Sequence[str]) -> None:
    faults = []
    for name in needed:
        feature = spec[name]
        if feature.dtype == tf.string:
            faults.append(f"{name} is text: look it up outside of the model and store its number")
        elif not isinstance(feature, tf.io.FixedLenFeature):
            faults.append(f"{name} varies in length or is missing in some examples: give it a shape in data.schema")
    if not needed:
        faults.append("the model reads features that depend on no raw feature")
    if faults:
        raise InputError(
            "with `export: {inputs: raw}` the model must read numbers of a fixed shape alone, but "
            f"{'; '.join(faults)}; or set inputs: transformed"
        )

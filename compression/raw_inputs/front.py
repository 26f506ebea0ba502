"""A transform, from raw features to what a model reads, as a TFLite file of its own: float, with TFLite's operators."""

import re
import tempfile
from collections.abc import Callable, Mapping

import tensorflow as tf

from compression.errors import CompressionError
from compression.predict import SIGNATURE

Tensors = dict[str, tf.Tensor]
Specs = Mapping[str, tf.TensorSpec]

_ADVICE: dict[str, str] = {
    **dict.fromkeys(
        ("UpperBound", "LowerBound"),
        "tft.bucketize and tft.apply_buckets become tft.quantiles and a count of the boundaries that are not above "
        "the value, docs/raw-inputs.md shows how",
    ),
    **dict.fromkeys(
        ("AsString", "StringToHashBucketFast", "LookupTableFindV2", "HashTableV2"),
        "vocabularies and hashes work on strings: look the value up outside of the model and store its number as the "
        "raw feature",
    ),
    **dict.fromkeys(("PyFunc", "EagerPyFunc"), "write Python functions with TensorFlow's operators"),
}
"""TensorFlow's operator -> what to write instead."""

# The converter's words for one operator, with the names of the functions that it stands in.
_MISSING = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")
_PLACE = re.compile(r'fused\["(\w+):", "([^"@]+)@')


def convert(transform: Callable[[Tensors], Tensors], raw: Specs, wanted: Specs) -> bytes:
    """Converts a transform to a TFLite file with builtin operators.

    Args:
        transform: Raw features `[batch, ...]` by name to transformed features `[batch, ...]` by name; what it keeps
            must be attributes of a `tf.Module` or of a Keras layer.
        raw: Name, type and shape, `[None, ...]`, of the raw features that it reads.
        wanted: Name, type and shape, `[None, ...]`, of the transformed features that the model reads; other types are
            cast, as Keras casts what a model is given.

    Returns:
        The flatbuffer, with the signature `serving_default`.

    Raises:
        CompressionError: TFLite lacks an operator, or a feature has another shape.
    """
    module = tf.Module()
    module.transform = transform
    inputs = {name: tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in raw.items()}

    def serve(features: Tensors) -> Tensors:
        found = transform(features)
        return {name: _as_wanted(name, found[name], spec) for name, spec in wanted.items()}

    function = tf.function(serve, input_signature=[inputs], autograph=False).get_concrete_function()
    with tempfile.TemporaryDirectory() as folder:
        # Only through a SavedModel does the converter's message name the functions that an operator stands in.
        tf.saved_model.save(module, folder, signatures={SIGNATURE: function})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        try:
            return bytes(converter.convert())
        except Exception as error:  # the converter raises its own ConverterError, RuntimeError, ValueError and more
            raise CompressionError(_explain(str(error))) from error


def _as_wanted(name: str, value: tf.Tensor, spec: tf.TensorSpec) -> tf.Tensor:
    if not value.shape.is_compatible_with(spec.shape):
        raise CompressionError(
            f"preprocessing_fn must give {name!r} the shape that the model reads, {_dimensions(spec)}, got "
            f"{_dimensions(value)}; reshape it there"
        )
    value.set_shape(spec.shape)
    return tf.cast(value, spec.dtype)


def _dimensions(tensor: tf.Tensor | tf.TensorSpec) -> str:
    return f"({', '.join('?' if size is None else str(size) for size in tensor.shape)})"


def _explain(said: str) -> str:
    places: dict[str, set[str]] = {}
    for line in said.splitlines():
        for operator in _MISSING.findall(line):
            found = [place for name, place in _PLACE.findall(line) if name == operator]
            places.setdefault(operator, set()).update(found[:1])
    for listed in re.findall(r"^(?:TF Select|Custom) ops: (.*)$", said, flags=re.MULTILINE):
        for operator in filter(None, listed.split(", ")):
            places.setdefault(operator.strip(), set())
    if not places:
        reason = next((line for line in said.splitlines() if "error" in line.lower()), said)
        return f"the transform must convert to TFLite, but the converter said: {reason[:500]}; {_WAY_OUT}"
    named = [f"{operator} ({', '.join(sorted(where))})" if where else operator for operator, where in places.items()]
    advice = dict.fromkeys(_ADVICE[operator] for operator in places if operator in _ADVICE)
    return "; ".join(
        [
            f"a transform inside of the model must use operators that TFLite has, got {', '.join(named)}",
            *advice,
            _WAY_OUT,
        ]
    )


_WAY_OUT = "or leave the transform outside of the model with `export: {inputs: transformed}`"

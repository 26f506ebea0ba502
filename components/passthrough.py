"""The `preprocessing_fn` of pipelines without a model module: a pretrained model reads the features as they are."""

import math
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from components.errors import InputError
from components.targets import from_text


def preprocessing_fn(inputs: Mapping[str, Any], custom_config: Mapping[str, Any]) -> dict[str, tf.Tensor]:
    """Hands features on, in the type and shape that the model reads.

    A model with one input reads the only feature beside the labels, whatever either is called. Features that the model
    does not read stay as they are, for slices; those of varying length are left out.

    Args:
        inputs: Raw features by name, `[batch, ...]`.
        custom_config: `label`, the label's name (of several outputs as `components.targets` writes it), and `inputs`,
            `{name: {dtype, shape}}` of what the model reads.

    Raises:
        InputError: The model reads a feature that is not there, varies in length, or has another size or type.
    """
    labels, wanted = from_text(custom_config["label"]).values(), custom_config["inputs"]
    dense = {name: tensor for name, tensor in inputs.items() if isinstance(tensor, tf.Tensor)}
    features = [name for name in inputs if name not in labels]
    outputs = dict(dense)
    for name, spec in wanted.items():
        source = features[0] if len(wanted) == len(features) == 1 else name
        if source not in features:
            raise InputError(
                f"the pretrained model reads {', '.join(wanted)}, but the data hold {', '.join(features) or 'none'}; "
                "name a model.module whose preprocessing_fn returns what the model reads"
            )
        if source not in dense:
            raise InputError(
                f"feature {source} must have a fixed size to be read as it is, but its length varies from example to "
                "example; name a model.module whose preprocessing_fn pads it"
            )
        outputs[name] = _fit(source, dense[source], spec)
        if name != source:
            del outputs[source]  # under its own name it would be stored twice
    return outputs


def _fit(name: str, tensor: tf.Tensor, spec: Mapping[str, Any]) -> tf.Tensor:
    """The tensor in the type and shape of a model's input, when no value changes by it."""
    dtype = tf.as_dtype(spec["dtype"])
    if tensor.dtype == tf.string or (tensor.dtype.is_floating and not dtype.is_floating):
        raise InputError(
            f"feature {name} must be {dtype.name} to be read as it is, got {tensor.dtype.name}; name a model.module "
            "whose preprocessing_fn converts it"
        )
    size, wanted = math.prod(tensor.shape[1:]), math.prod(spec["shape"])
    if size != wanted:
        raise InputError(
            f"feature {name} must hold {wanted} values {spec['shape']} for each example, got {size}; name a "
            "model.module whose preprocessing_fn makes them"
        )
    # Transformed examples hold these two types of numbers alone.
    number = tf.float32 if dtype.is_floating else tf.int64
    return tf.reshape(tf.cast(tensor, number), [-1, *spec["shape"]])

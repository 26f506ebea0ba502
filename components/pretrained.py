"""A model that was trained elsewhere in the place of the Trainer's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow import keras
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Model, TransformGraph

from components import model_artifact
from components.errors import InputError
from components.pretrained_spec import PretrainedSpec, content_sha256
from components.targets import from_text
from compression.keras_models import check_model
from compression.pretrained import load_pretrained


@component
def Pretrained(  # noqa: N802 - a component is named like a class
    transform_graph: InputArtifact[TransformGraph],
    model: OutputArtifact[Model],
    spec: Parameter[str],
    label: Parameter[str],
    task: Parameter[str],
    code_sha256: Parameter[str] = "",
) -> None:
    """Reads a model file, checks that the pipeline can take it, and emits it as the Trainer would.

    Args:
        transform_graph: Gives the features that the model may read.
        model: The model as a tf_keras SavedModel.
        spec: A `PretrainedSpec` as JSON.
        label: Name of the label, which no model may read; of several outputs as `components.targets` writes it.
        task: Fixes the output's shape; of several outputs likewise.
        code_sha256: Makes a change of code known to the cache.

    Raises:
        InputError: The file changed since the run began, or a feature has another shape or type than the model reads.
        CompressionError: The file is no model that every step can take.
    """
    del code_sha256
    wanted = PretrainedSpec.from_json(spec)
    if content_sha256(Path(wanted.path)) != wanted.sha256:
        raise InputError(f"a pretrained model must stay as it is during a run, but {wanted.path} changed; run again")
    features = tft.TFTransformOutput(transform_graph.uri).transformed_feature_spec()
    for name in from_text(label).values():
        features.pop(name, None)
    loaded = load_pretrained(wanted.path)
    check_model(loaded, task=from_text(task), feature_names=set(features))
    check_features(loaded, features)
    model_artifact.save_keras(loaded, model, [])


def check_fixed(model: keras.Model, features: Mapping[str, Any]) -> None:
    """Checks that all examples have equally many values of what a model reads: TFLite's inputs have one size.

    Args:
        model: The model; its inputs bear names of features.
        features: The transform's feature spec.

    Raises:
        InputError: A feature varies in length, or some examples lack it.
    """
    for name, tensor in zip(model.input_names, model.inputs, strict=True):
        if not isinstance(features[name], tf.io.FixedLenFeature):
            raise InputError(
                f"feature {name} must have a fixed size, because the model reads {list(tensor.shape[1:])}, but its "
                "length varies from example to example; pad it in preprocessing_fn: tf.RaggedTensor.from_sparse(...)"
                ".to_tensor(shape=[None, LENGTH]), see docs/own-data.md"
            )


def check_features(model: keras.Model, features: Mapping[str, Any]) -> None:
    """Checks that transformed features have the shapes and types of the model's inputs.

    Args:
        model: The model; its inputs bear names of features.
        features: The transform's feature spec.

    Raises:
        InputError: A feature varies in length, or has another shape or type.
    """
    check_fixed(model, features)
    for name, tensor in zip(model.input_names, model.inputs, strict=True):
        given, shape = features[name], list(tensor.shape[1:])
        if list(given.shape) != shape:
            raise InputError(
                f"feature {name} must have the shape {shape} that the model reads, got {list(given.shape)}; reshape it "
                "in preprocessing_fn"
            )
        if given.dtype == tf.string or given.dtype.is_floating != tensor.dtype.is_floating:
            raise InputError(
                f"feature {name} must be {tensor.dtype.name}, which the model reads, got {given.dtype.name}; cast it "
                "in preprocessing_fn"
            )

"""The transform as a TFLite file: what stands in front of every variant when the device feeds raw features."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import tensorflow as tf
import tensorflow_transform as tft
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, Model, TransformGraph

from components import model_artifact, model_module, raw_examples
from components.pretrained_spec import PretrainedSpec
from components.transform_function import TransformFunction
from compression.data import Task
from compression.raw_inputs import front as transform_file
from compression.raw_inputs.prepend import operator_names
from compression.raw_inputs.proof import EXAMPLES, check_front

_SPLITS = ("validation", "train")
"""What proofs look at, in this order: the eval split is the gate's."""

_BATCH = 32


@component
def RawTransform(  # noqa: N802 - a component is named like a class
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    front: OutputArtifact[Model],
    module: Parameter[str],
    hparams: Parameter[str],
    task: Parameter[str],
    code_sha256: Parameter[str],
    pretrained: Parameter[str] = "",
) -> None:
    """Converts the part of the transform that the model reads, and proves it on real examples.

    It stands before the Trainer: a transform that no TFLite file can hold must not cost a training.

    Args:
        examples: Raw examples; some of `validation` are compared, and of `train` when there are too few.
        transform_graph: The transform.
        front: A float model with `Format-Serving/tflite` from raw features to what the model reads, and its report.
        module: Dotted name of the model module, whose model says what it reads; empty with `pretrained`.
        hparams: Handed to `build_model`, as JSON.
        task: The model's task.
        code_sha256: Makes a change of code known to the cache.
        pretrained: A `PretrainedSpec` as JSON, which says what a model reads that was trained elsewhere.

    Raises:
        InputError: The model reads text, or features of varying length.
        CompressionError: TFLite lacks an operator, or computes something else.
    """
    del code_sha256
    output = tft.TFTransformOutput(transform_graph.uri)
    wanted = _pretrained_reads(pretrained) if pretrained else _built_reads(output, module, hparams, task)
    function = TransformFunction(output, list(wanted))
    content = transform_file.convert(function, function.raw, wanted)
    proof = check_front(content, proof_batches(examples, function))
    report = {"step": "transform", "raw": list(function.raw), "operators": operator_names(content), **asdict(proof)}
    model_artifact.save_tflite(content, front, [report])


def _built_reads(output: tft.TFTransformOutput, module: str, hparams: str, task: Task) -> dict[str, tf.TensorSpec]:
    names = set(output.transformed_feature_spec())
    model = model_module.load(module).build(json.loads(hparams), task=task, features=names)
    return {
        name: tf.TensorSpec([None, *tensor.shape[1:]], tensor.dtype)
        for name, tensor in zip(model.input_names, model.inputs, strict=True)
    }


def _pretrained_reads(spec: str) -> dict[str, tf.TensorSpec]:
    inputs = PretrainedSpec.from_json(spec).inputs
    return {name: tf.TensorSpec([None, *read.shape], read.dtype) for name, read in inputs.items()}


def proof_batches(
    examples: Examples, function: TransformFunction, splits: Sequence[str] = _SPLITS
) -> Iterator[tuple[raw_examples.Arrays, raw_examples.Arrays]]:
    """Real raw examples with what TensorFlow's transform makes of them, `[batch, ...]` by feature."""
    read = raw_examples.batches(examples, splits, function.feature_spec, count=EXAMPLES, batch_size=_BATCH)
    return ((raw, function.arrays(raw)) for raw in read)

"""Export with raw inputs: the transform goes into the finished file, which then answers raw examples."""

from dataclasses import asdict, replace

import tensorflow_transform as tft
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, Model, TransformGraph

from components import model_artifact
from components.raw_transform import proof_batches
from components.transform_function import TransformFunction
from compression import audit
from compression.predict import TFLitePredictor
from compression.raw_inputs.prepend import fit, prepend
from compression.raw_inputs.proof import check_merged


@component
def ExportRaw(  # noqa: N802 - a component is named like a class
    model: InputArtifact[Model],
    front: InputArtifact[Model],
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    exported: OutputArtifact[Model],
    code_sha256: Parameter[str],
) -> None:
    """Puts the transform in front of a finished model and proves that the file answers raw examples as the two do.

    Args:
        model: A model with `Format-Serving/tflite`.
        front: The transform, from `RawTransform`.
        examples: Raw examples; some of `validation` are answered, and of `train` when there are too few.
        transform_graph: The transform that the proof compares with.
        exported: The merged model, with the reports of all steps and one of this export.
        code_sha256: Makes a change of code known to the cache.

    Raises:
        CompressionError: Transform and model do not fit, or an answer differs.
    """
    del code_sha256
    inner = model_artifact.tflite_path(model).read_bytes()
    before = fit(model_artifact.tflite_path(front).read_bytes(), inner)
    content = prepend(before, inner)
    function = TransformFunction(tft.TFTransformOutput(transform_graph.uri), TFLitePredictor(inner).input_names)
    proof = check_merged(content, before, inner, proof_batches(examples, function))
    predictor = TFLitePredictor(content)
    report = {
        "step": "export",
        "audit": _audit(content, inner).to_dict(),
        "inputs": [asdict(tensor) for tensor in predictor.inputs],
        "outputs": [asdict(tensor) for tensor in predictor.outputs],
        "raw_inputs": {"transform": model_artifact.step_reports(front)[-1], **asdict(proof)},
    }
    model_artifact.save_tflite(content, exported, [*model_artifact.step_reports(model), report])
    variant = model.get_string_custom_property(model_artifact.VARIANT_PROPERTY)
    exported.set_string_custom_property(model_artifact.VARIANT_PROPERTY, variant)


def _audit(content: bytes, inner: bytes) -> audit.Audit:
    """That of the whole file, but with the zeros and shared values of the model's own weights.

    A mel matrix in the transform is mostly zeros, and its many values are none that clustering was to share.
    """
    own = audit.audit(inner)
    return replace(audit.audit(content), sparsity=own.sparsity, distinct_weights=own.distinct_weights)

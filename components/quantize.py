"""The last step as a TFX component: a conversion in a child process, its file, and all that is said of it."""

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, Model, TransformGraph
from tfx.utils import path_utils

from components import model_artifact
from components.transformed_data import training_records
from compression import conversion, isolation
from compression.errors import CompressionError
from compression.settings import QuantizeSettings


@component
def Quantize(  # noqa: N802 - a component is named like a class
    model: InputArtifact[Model],
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    compressed: OutputArtifact[Model],
    settings: Parameter[str],
    label: Parameter[str],
    task: Parameter[str],
    metric: Parameter[str],
    seed: Parameter[int],
    variant: Parameter[str] = "",
    code_sha256: Parameter[str] = "",
) -> None:
    """Conversion to TFLite, audited and measured on validation; `settings` is a `QuantizeSettings` as JSON.

    A file that breaks a promise or does not compute what its model computes is written too; its report says so, and
    the variant is blocked. Without `variant`, for a baseline, such a file is an error.
    """
    del code_sha256
    chosen = QuantizeSettings.model_validate_json(settings)
    reports = model_artifact.step_reports(model)
    records = training_records(examples, transform_graph, label=label, task=task, seed=seed)
    request = conversion.Request(
        model=path_utils.serving_model_path(model.uri),
        settings=chosen,
        read=records.for_features,
        metric=metric,
        seed=seed,
        reports=reports,
    )
    finished = isolation.run(conversion.finish, request, time_limit_s=chosen.time_limit_s)
    faults = model_artifact.faults(finished.report)
    if faults and not variant:
        raise CompressionError(faults[0])
    report = {"step": "quantize", "settings": chosen.model_dump(mode="json"), **finished.report}
    model_artifact.save_tflite(finished.content, compressed, [*reports, report])
    compressed.set_string_custom_property(model_artifact.VARIANT_PROPERTY, variant)

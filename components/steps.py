"""The compression steps as TFX components: load a model, call one method, save what it returns."""

from dataclasses import asdict

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, Model, TransformGraph

from components import model_artifact
from components.transformed_data import training_data
from compression import audit, quantize
from compression.channels.prune_channels import plan_channels, prune_channels
from compression.determinism import seed_everything
from compression.evaluate import evaluate
from compression.predict import TFLitePredictor
from compression.prune import prune
from compression.qat import plan_layers, quantization_aware
from compression.settings import PruneChannelsSettings, PruneSettings, QatSettings, QuantizeSettings

_EQUIVALENCE_EXAMPLES = 256
"""Validation examples on which the TFLite file is compared with the Keras model."""


@component
def Prune(  # noqa: N802 - a component is named like a class
    model: InputArtifact[Model],
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    compressed: OutputArtifact[Model],
    settings: Parameter[str],
    label: Parameter[str],
    task: Parameter[str],
    seed: Parameter[int],
    code_sha256: Parameter[str] = "",
) -> None:
    """Magnitude pruning; `settings` is a `PruneSettings` as JSON."""
    del code_sha256
    seed_everything(seed)
    float_model = model_artifact.load_keras(model)
    data = training_data(examples, transform_graph, float_model, label=label, task=task, seed=seed)
    pruned = prune(float_model, data, PruneSettings.model_validate_json(settings))
    model_artifact.save_keras(pruned, compressed, [*model_artifact.step_reports(model), {"step": "prune"}])


@component
def PruneChannels(  # noqa: N802
    model: InputArtifact[Model],
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    compressed: OutputArtifact[Model],
    settings: Parameter[str],
    label: Parameter[str],
    task: Parameter[str],
    seed: Parameter[int],
    code_sha256: Parameter[str] = "",
) -> None:
    """Structured pruning; `settings` is a `PruneChannelsSettings` as JSON."""
    del code_sha256
    seed_everything(seed)
    large = model_artifact.load_keras(model)
    data = training_data(examples, transform_graph, large, label=label, task=task, seed=seed)
    channel_settings = PruneChannelsSettings.model_validate_json(settings)
    groups = plan_channels(large, channel_settings)
    small = prune_channels(large, data, channel_settings)
    report = {"step": "prune_channels", "groups": [asdict(group) for group in groups]}
    model_artifact.save_keras(small, compressed, [*model_artifact.step_reports(model), report])


@component
def Qat(  # noqa: N802
    model: InputArtifact[Model],
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    compressed: OutputArtifact[Model],
    settings: Parameter[str],
    label: Parameter[str],
    task: Parameter[str],
    seed: Parameter[int],
    code_sha256: Parameter[str] = "",
) -> None:
    """Quantization-aware training; `settings` is a `QatSettings` as JSON. Keeps zeros when a step before pruned."""
    del code_sha256
    seed_everything(seed)
    before = model_artifact.step_reports(model)
    float_model = model_artifact.load_keras(model)
    data = training_data(examples, transform_graph, float_model, label=label, task=task, seed=seed)
    qat_settings = QatSettings.model_validate_json(settings)
    preserve_sparsity = any(report["step"] == "prune" for report in before)
    layers = plan_layers(float_model, qat_settings, preserve_sparsity=preserve_sparsity)
    aware = quantization_aware(float_model, data, qat_settings, preserve_sparsity=preserve_sparsity)
    report = {"step": "qat", "preserve_sparsity": preserve_sparsity, "left_float": list(layers.left_float)}
    model_artifact.save_keras(aware, compressed, [*before, report])


@component
def Quantize(  # noqa: N802
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
    """Conversion to TFLite, audited and measured on validation; `settings` is a `QuantizeSettings` as JSON."""
    del code_sha256
    seed_everything(seed)
    keras_model = model_artifact.load_keras(model)
    data = training_data(examples, transform_graph, keras_model, label=label, task=task, seed=seed)
    content = quantize.convert(keras_model, QuantizeSettings.model_validate_json(settings), data.train)
    predictor = TFLitePredictor(content)
    report = {
        "step": "quantize",
        "audit": audit.audit(content).to_dict(),
        "inputs": [asdict(tensor) for tensor in predictor.inputs],
        "outputs": [asdict(tensor) for tensor in predictor.outputs],
        "max_abs_error": quantize.max_abs_error(keras_model, content, data.validation, _EQUIVALENCE_EXAMPLES),
        "validation": evaluate(predictor.predict, data.validation, metric, task),
    }
    model_artifact.save_tflite(content, compressed, [*model_artifact.step_reports(model), report])
    compressed.set_string_custom_property(model_artifact.VARIANT_PROPERTY, variant)

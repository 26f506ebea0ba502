"""The compression steps as TFX components: load a model, call one method, save what it returns."""

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, Model, TransformGraph

from components import model_artifact
from components.transformed_data import training_data
from compression.determinism import seed_everything
from compression.kernels import kernels
from compression.promises import to_plain
from compression.prune import prunable_layers, prune
from compression.qat import plan_layers, quantization_aware
from compression.settings import PruneSettings, QatSettings
from compression.step_promises import promise_sparsity

_PRUNED = frozenset({"kernel", "pointwise_kernel", "recurrent_kernel"})
"""Kernels of a pruned layer in which the zeros are."""


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
    chosen = PruneSettings.model_validate_json(settings)
    targets = dict.fromkeys(prunable_layers(float_model, chosen.skip), chosen.sparsity)
    pruned = prune(float_model, data, chosen)
    report = {"step": "prune", "promises": to_plain(promise_sparsity(kernels(pruned), targets, _PRUNED))}
    model_artifact.save_keras(pruned, compressed, [*model_artifact.step_reports(model), report])


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

"""The compression steps as TFX components: load a model, call one method, save what it returns."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tensorflow import keras
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types.standard_artifacts import Examples, HyperParameters, Model, TransformGraph

from components import model_artifact, model_module
from components.hyperparameters import read_hparams
from components.training_history import TrainingHistory
from components.transformed_data import training_records
from compression.channels.prune_channels import plan_channels, prune_channels
from compression.cluster import cluster, plan_clusters
from compression.data import TrainingData
from compression.determinism import seed_everything
from compression.distill import distill
from compression.kernels import kernels
from compression.promises import Promise, Sharing, Sparsity, from_plain, to_plain
from compression.prune import plan_sparsity, prune
from compression.qat import plan_layers, quantization_aware
from compression.reading import prepared
from compression.records import TrainingRecords
from compression.settings import (
    ClusterSettings,
    DistillSettings,
    FinetuneSettings,
    PruneChannelsSettings,
    PruneSettings,
    QatSettings,
)
from compression.settings.reading import ReadingSettings
from compression.step_promises import promise_pattern, promise_sharing, promise_sparsity
from compression.structure import Keep

_WITH_KERNELS = frozenset({"kernel", "pointwise_kernel", "recurrent_kernel", "embeddings"})
"""Kernels that `prune` and `cluster` work on in the layers that they name; depthwise kernels are left alone."""


@component
def Distill(  # noqa: N802 - a component is named like a class
    model: InputArtifact[Model],
    teacher: InputArtifact[Model],
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    compressed: OutputArtifact[Model],
    settings: Parameter[str],
    label: Parameter[str],
    task: Parameter[str],
    seed: Parameter[int],
    module: Parameter[str],
    hparams: Parameter[str],
    found: InputArtifact[HyperParameters] = None,
    reading: Parameter[str] = "{}",
    code_sha256: Parameter[str] = "",
) -> None:
    """Knowledge distillation; `settings` is a `DistillSettings`, `hparams` the model's hyper-parameters, as JSON.

    What a search found, if there was one, is added to `hparams`.
    """
    del code_sha256
    chosen = DistillSettings.model_validate_json(settings)
    data = _records(examples, transform_graph, label=label, task=task, seed=seed, module=module, reading=reading)
    with _TrainingStep.begin(model, teacher, chosen, data) as step:
        student = step.model
        if chosen.student == "build_student":
            given = {**json.loads(hparams), **read_hparams(found), **chosen.hparams}
            student = model_module.load(module, needs=["build_student"]).student(
                given, task=task, features=set(step.model.input_names)
            )
        distilled = distill(student, step.data, chosen, teacher=step.teacher, on_epoch=step.history)
        step.save(distilled, compressed, {"step": "distill", "parameters": distilled.count_params()}, promises=[])


@component
def Prune(  # noqa: N802
    model: InputArtifact[Model],
    teacher: InputArtifact[Model],
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    compressed: OutputArtifact[Model],
    settings: Parameter[str],
    label: Parameter[str],
    task: Parameter[str],
    seed: Parameter[int],
    module: Parameter[str] = "",
    reading: Parameter[str] = "{}",
    code_sha256: Parameter[str] = "",
) -> None:
    """Magnitude pruning; `settings` is a `PruneSettings` as JSON."""
    del code_sha256
    chosen = PruneSettings.model_validate_json(settings)
    data = _records(examples, transform_graph, label=label, task=task, seed=seed, module=module, reading=reading)
    with _TrainingStep.begin(model, teacher, chosen, data) as step:
        targets = plan_sparsity(step.model, chosen)
        pruned = prune(step.model, step.data, chosen, teacher=step.teacher, on_epoch=step.history)
        if chosen.m_by_n is not None:
            made = promise_pattern(kernels(pruned), targets, _WITH_KERNELS, *chosen.m_by_n)
        else:
            made = promise_sparsity(kernels(pruned), targets, _WITH_KERNELS, chosen.block_size or (1, 1))
        step.save(pruned, compressed, {"step": "prune", "sparsity": targets}, promises=[*step.promises, *made])


@component
def PruneChannels(  # noqa: N802
    model: InputArtifact[Model],
    teacher: InputArtifact[Model],
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    compressed: OutputArtifact[Model],
    settings: Parameter[str],
    label: Parameter[str],
    task: Parameter[str],
    seed: Parameter[int],
    module: Parameter[str] = "",
    reading: Parameter[str] = "{}",
    code_sha256: Parameter[str] = "",
) -> None:
    """Structured pruning; `settings` is a `PruneChannelsSettings` as JSON. Keeps what the steps before have made."""
    del code_sha256
    chosen = PruneChannelsSettings.model_validate_json(settings)
    data = _records(examples, transform_graph, label=label, task=task, seed=seed, module=module, reading=reading)
    with _TrainingStep.begin(model, teacher, chosen, data) as step:
        groups = plan_channels(step.model, chosen)
        smaller = prune_channels(
            step.model, step.data, chosen, keep=step.keep, teacher=step.teacher, on_epoch=step.history
        )
        report = {
            "step": "prune_channels",
            "groups": [asdict(group) for group in groups],
            "parameters": smaller.count_params(),
        }
        step.save(smaller, compressed, report, promises=taken_anew(step.promises, smaller))


@component
def Cluster(  # noqa: N802
    model: InputArtifact[Model],
    teacher: InputArtifact[Model],
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    compressed: OutputArtifact[Model],
    settings: Parameter[str],
    label: Parameter[str],
    task: Parameter[str],
    seed: Parameter[int],
    module: Parameter[str] = "",
    reading: Parameter[str] = "{}",
    code_sha256: Parameter[str] = "",
) -> None:
    """Weight clustering; `settings` is a `ClusterSettings` as JSON."""
    del code_sha256
    chosen = ClusterSettings.model_validate_json(settings)
    data = _records(examples, transform_graph, label=label, task=task, seed=seed, module=module, reading=reading)
    with _TrainingStep.begin(model, teacher, chosen, data) as step:
        plan = plan_clusters(step.model, chosen)
        clustered = cluster(step.model, step.data, chosen, teacher=step.teacher, on_epoch=step.history)
        made = promise_sharing(kernels(clustered), plan, _WITH_KERNELS, chosen.scope)
        report = {"step": "cluster", "scope": chosen.scope, "clusters": plan}
        step.save(clustered, compressed, report, promises=[*step.promises, *made])


@component
def Qat(  # noqa: N802
    model: InputArtifact[Model],
    teacher: InputArtifact[Model],
    examples: InputArtifact[Examples],
    transform_graph: InputArtifact[TransformGraph],
    compressed: OutputArtifact[Model],
    settings: Parameter[str],
    label: Parameter[str],
    task: Parameter[str],
    seed: Parameter[int],
    module: Parameter[str] = "",
    reading: Parameter[str] = "{}",
    code_sha256: Parameter[str] = "",
) -> None:
    """Quantization-aware training; `settings` is a `QatSettings` as JSON. Keeps what the steps before have made."""
    del code_sha256
    chosen = QatSettings.model_validate_json(settings)
    data = _records(examples, transform_graph, label=label, task=task, seed=seed, module=module, reading=reading)
    with _TrainingStep.begin(model, teacher, chosen, data) as step:
        layers = plan_layers(step.model, chosen)
        aware = quantization_aware(
            step.model, step.data, chosen, keep=step.keep, teacher=step.teacher, on_epoch=step.history
        )
        report = {"step": "qat", "kept": asdict(step.keep), "left_float": list(layers.left_float)}
        promises = in_one_range(step.promises, layers.quantized) if step.keep.sharing == "tensor" else step.promises
        step.save(aware, compressed, report, promises=promises)


def _records(
    examples: Examples, transform_graph: TransformGraph, *, label: str, task: str, seed: int, module: str, reading: str
) -> TrainingRecords:
    """The examples that a step trains on, as the float model's training reads them."""
    return training_records(
        examples,
        transform_graph,
        label=label,
        task=task,
        seed=seed,
        reading=ReadingSettings.model_validate_json(reading),
        augment=model_module.load(module, needs=[]).augment if module else None,
    )


@dataclass(frozen=True)
class _TrainingStep:
    """What every step that trains reads: its model, data, reports of the steps before, and a teacher if it has one.

    `history` keeps what is reported of its epochs.
    """

    model: keras.Model
    data: TrainingData
    before: list[dict[str, Any]]
    teacher: keras.Model | None
    history: TrainingHistory = field(default_factory=TrainingHistory)

    @classmethod
    @contextmanager
    def begin(
        cls, model: Model, teacher: Model, settings: FinetuneSettings, records: TrainingRecords
    ) -> Iterator["_TrainingStep"]:
        """Loads what a step needs, the teacher only when the settings ask for one; examples are kept to its end."""
        seed_everything(records.seed)
        float_model = model_artifact.load_keras(model)
        taught_by = model_artifact.load_keras(teacher) if settings.teacher is not None else None
        with prepared(records.for_features(float_model.input_names)) as data:
            yield cls(float_model, data, model_artifact.step_reports(model), taught_by)

    @property
    def keep(self) -> Keep:
        """What the steps before have made and training must not undo."""
        return kept_after(self.before)

    @property
    def promises(self) -> list[Promise]:
        """What the steps before have promised of the finished file."""
        return from_plain(self.before[-1]["promises"]) if self.before else []

    def save(
        self, compressed: keras.Model, artifact: Model, report: dict[str, Any], *, promises: Iterable[Promise]
    ) -> None:
        """Writes the model with the reports of all steps up to it; `promises` are all that hold from here on."""
        report = {**report, "promises": to_plain(promises), "history": self.history.series}
        model_artifact.save_keras(compressed, artifact, [*self.before, report])


def kept_after(reports: Iterable[Mapping[str, Any]]) -> Keep:
    """What a model with these step reports must keep in further training."""
    done = {report["step"]: report for report in reports}
    return Keep(zeros="prune" in done, sharing=done["cluster"]["scope"] if "cluster" in done else None)


def taken_anew(promises: Iterable[Promise], smaller: keras.Model) -> list[Promise]:
    """Promises after channels have left: kernels are smaller, and those that left may have held most of the zeros."""
    found = {(kernel.layer, kernel.weight): kernel.values for kernel in kernels(smaller)}

    def counted(promise: Sparsity) -> Sparsity:
        values = found[promise.layer, promise.weight]
        return replace(promise, zeros=int((values == 0).sum()), elements=values.size)

    return [counted(promise) if isinstance(promise, Sparsity) else promise for promise in promises]


def in_one_range(promises: Iterable[Promise], quantized: Collection[str]) -> list[Promise]:
    """Promises after `qat` has given shared kernels one range: what is shared by the kernel stays so in the file."""

    def by_kernel(promise: Promise) -> bool:
        return isinstance(promise, Sharing) and promise.layer in quantized and promise.weight == "kernel"

    return [replace(promise, per="tensor") if by_kernel(promise) else promise for promise in promises]

"""What each training step would do to a model; the functions that the table of steps names as `preview`.

Nothing is trained: weights are whatever the model holds, and only counts of them are true.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import tf_keras as keras

from compression import keras_models
from compression.channels.prune_channels import plan_channels, remove_channels
from compression.cluster import plan_clusters, with_shared_weights
from compression.kernels import kernels
from compression.preview.samples import EXAMPLES, RandomData
from compression.prune import plan_sparsity, prunable_weights
from compression.qat import plan_layers, with_quantizers
from compression.qat_layers import unsupported_layers
from compression.qat_ranges import set_ranges
from compression.settings import (
    ClusterSettings,
    DistillSettings,
    PruneChannelsSettings,
    PruneSettings,
    QatSettings,
)
from compression.structure import Keep

BuildStudent = Callable[[DistillSettings], keras.Model]


@dataclass(frozen=True)
class Preview:
    """What a step would do.

    Attributes:
        takes: What becomes of each layer that the step works on, in a few words, in the model's order.
        leaves: Why each layer with kernels (for `qat`: each layer) that the step does not work on stays as it is.
        network: A model with the layers that the step leaves, whatever its weights; enough to ask the next step.
        after: Makes the model as the step would leave it, apart from training; for sizes.
        left_float: Layers that the finished file may hold in float.
    """

    takes: dict[str, str]
    leaves: dict[str, str]
    network: keras.Model
    after: Callable[[], keras.Model]
    left_float: tuple[str, ...] = ()


def distill(model: keras.Model, settings: DistillSettings, build_student: BuildStudent) -> Preview:
    """A new network, of the user's or the same."""
    student = model
    if settings.student == "build_student":
        student = build_student(settings)
    else:
        keras_models.refuse_opaque(model, "distill with `student: same`")
    takes = dict.fromkeys((kernel.layer for kernel in kernels(student)), "new weights")
    return Preview(takes, {}, student, lambda: student)


def prune(model: keras.Model, settings: PruneSettings, build_student: BuildStudent) -> Preview:
    """Zeros in kernels."""
    del build_student
    targets = plan_sparsity(model, settings)
    takes = {layer: f"{target * 100:.3g}% zeros" for layer, target in targets.items()}
    leaves = _untouched(model, takes, settings.skip, "stays dense")
    return Preview(takes, leaves, model, lambda: _with_zeros(model, targets))


def prune_channels(model: keras.Model, settings: PruneChannelsSettings, build_student: BuildStudent) -> Preview:
    """Fewer channels."""
    del build_student
    takes: dict[str, str] = {}
    leaves: dict[str, str] = {}
    for group in plan_channels(model, settings):
        words = f"{group.after} of {group.before} channels" if group.after < group.before else ""
        for layer in group.layers:
            if words:
                takes[layer] = words
            else:
                leaves.setdefault(layer, group.kept_for or "no channel leaves")
    smaller = remove_channels(model, settings)
    return Preview(takes, {name: why for name, why in leaves.items() if name not in takes}, smaller, lambda: smaller)


def cluster(model: keras.Model, settings: ClusterSettings, build_student: BuildStudent) -> Preview:
    """Kernels whose weights share a few values."""
    del build_student
    plan = plan_clusters(model, settings)
    takes = {layer: f"{values} values" for layer, values in plan.items()}
    leaves = _untouched(model, takes, settings.skip, "keeps its own weights")
    return Preview(takes, leaves, model, lambda: with_shared_weights(model, settings, seed=0))


def qat(model: keras.Model, settings: QatSettings, build_student: BuildStudent) -> Preview:
    """Layers trained for 8 bits, and layers that stay float."""
    del build_student
    plan = plan_layers(model, settings)
    reasons = unsupported_layers(model)
    leaves = {
        name: "skipped" if _matches(name, settings.skip) else reasons.get(name, "goes with the float layer before it")
        for name in plan.left_float
    }
    return Preview(
        dict.fromkeys(plan.quantized, "8 bits"),
        leaves,
        model,
        lambda: _with_ranges(model, settings),
        left_float=plan.left_float,
    )


def _with_ranges(model: keras.Model, settings: QatSettings) -> keras.Model:
    """Quantizers with the ranges of the weights, and with those of activations on random examples."""
    aware = with_quantizers(model, settings, keep=Keep(sharing="tensor"))
    examples = RandomData.for_model(model, "regression")(model.input_names)
    set_ranges(aware, examples.train.take_arrays(EXAMPLES)[0])
    return aware


def _untouched(model: keras.Model, takes: Collection[str], skip: Collection[str], what: str) -> dict[str, str]:
    names = dict.fromkeys(kernel.layer for kernel in kernels(model) if kernel.layer not in takes)
    return {
        name: "skipped" if _matches(name, skip) else f"{type(model.get_layer(name)).__name__} {what}" for name in names
    }


def _matches(name: str, patterns: Collection[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _with_zeros(model: keras.Model, targets: Mapping[str, float]) -> keras.Model:
    twin = keras_models.copy(model)
    for layer in (twin.get_layer(name) for name in targets):
        for variable in prunable_weights(layer):
            variable.assign(without_smallest(variable.numpy(), targets[layer.name]))
    return twin


def without_smallest(kernel: np.ndarray, share: float) -> np.ndarray:
    """The kernel with a share of its weights, those of smallest magnitude, set to zero."""
    order = np.argsort(np.abs(kernel), axis=None, kind="stable")
    flat = kernel.reshape(-1).copy()
    flat[order[: kernel.size - round(kernel.size * (1 - share))]] = 0
    return flat.reshape(kernel.shape)

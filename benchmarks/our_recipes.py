"""Our recipes for Fashion-MNIST, as chains of the steps that a YAML file names."""

from typing import Any

import tf_keras as keras

from compression.channels.prune_channels import prune_channels
from compression.cluster import cluster
from compression.data import TrainingData
from compression.prune import prune
from compression.qat import quantization_aware
from compression.settings import (
    ClusterSettings,
    FinetuneSettings,
    PruneChannelsSettings,
    PruneSettings,
    QatSettings,
    TrainSettings,
)
from compression.structure import Keep

Chain = tuple[FinetuneSettings, ...]

PLAIN, SLIM_FLOAT = "int8", "half the channels, float32"

TAUGHT: dict[str, Any] = {"batch_size": 128, "teacher": "baseline", "temperature": 3.0, "alpha": 0.9}


def train_settings(*, quick: bool) -> TrainSettings:
    """How the float model is trained: until validation stops improving."""
    return TrainSettings(
        epochs=5 if quick else 15,
        batch_size=128,
        learning_rate=2e-3,
        learning_rate_schedule="cosine",
        early_stopping_patience=5,
    )


def recipes(*, quick: bool) -> list[tuple[str, Chain, str, str]]:
    """Name, steps between training and `quantize`, `ours`, and the mode of `quantize`."""

    def epochs(count: int) -> int:
        return 2 if quick else count

    pruned = PruneSettings(
        sparsity=0.9,
        distribution="lamp",
        epochs=epochs(20),
        end_epoch=0.35 * epochs(20),
        learning_rate=3e-3,
        **TAUGHT,
    )
    half = PruneChannelsSettings(ratio=0.5, epochs=epochs(15), learning_rate=3e-3, **TAUGHT)
    shared = ClusterSettings(clusters=16, epochs=epochs(2), learning_rate=5e-4, **TAUGHT)
    aware = QatSettings(epochs=epochs(2), learning_rate=3e-4, **TAUGHT)
    return [
        (PLAIN, (), "ours", "int8"),
        ("prune 90 %, int8", (pruned,), "ours", "int8"),
        ("prune 90 %, cluster 16, qat, int8", (pruned, shared, aware), "ours", "int8"),
        (SLIM_FLOAT, (half,), "ours", "float32"),
        ("half the channels, int8", (half,), "ours", "int8"),
        ("half the channels, cluster 16, qat, int8", (half, shared, aware), "ours", "int8"),
    ]


def apply(
    settings: FinetuneSettings, model: keras.Model, data: TrainingData, teacher: keras.Model, keep: Keep
) -> keras.Model:
    """One step of a chain."""
    if isinstance(settings, PruneSettings):
        return prune(model, data, settings, teacher=teacher)
    if isinstance(settings, PruneChannelsSettings):
        return prune_channels(model, data, settings, keep=keep, teacher=teacher)
    if isinstance(settings, ClusterSettings):
        return cluster(model, data, settings, teacher=teacher)
    assert isinstance(settings, QatSettings)
    return quantization_aware(model, data, settings, keep=keep, teacher=teacher)


def kept_after(settings: FinetuneSettings, keep: Keep) -> Keep:
    """What steps after this one must keep."""
    if isinstance(settings, PruneSettings):
        return Keep(zeros=True, sharing=keep.sharing)
    if isinstance(settings, ClusterSettings):
        return Keep(zeros=keep.zeros, sharing=settings.scope)
    return keep


def is_aware(settings: FinetuneSettings) -> bool:
    """Whether the step makes a quantization-aware model."""
    return isinstance(settings, QatSettings)

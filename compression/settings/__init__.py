"""Frozen, self-checking settings of every method; importable without TensorFlow."""

from compression.settings.cluster import ClusterSettings
from compression.settings.distill import DistillSettings
from compression.settings.finetune import FinetuneSettings
from compression.settings.frozen import Settings
from compression.settings.prune import PruneSettings
from compression.settings.prune_channels import PruneChannelsSettings
from compression.settings.qat import QatSettings
from compression.settings.quantize import QuantizeSettings
from compression.settings.search import SearchSettings
from compression.settings.train import TrainSettings

__all__ = [
    "ClusterSettings",
    "DistillSettings",
    "FinetuneSettings",
    "PruneChannelsSettings",
    "PruneSettings",
    "QatSettings",
    "QuantizeSettings",
    "SearchSettings",
    "Settings",
    "TrainSettings",
]

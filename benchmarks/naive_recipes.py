"""What people do today: the toolkit's guides and the converter's defaults, with no more thought than they ask for.

Each recipe follows the page of the TensorFlow Model Optimization guide that is named beside it: its schedule, its
epochs, Adam's default learning rate unless the page gives one.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras as keras
from tensorflow_model_optimization.python.core.api.experimental import combine
from tensorflow_model_optimization.python.core.clustering.keras.experimental import cluster as experimental_cluster

from compression.data import TrainingData
from compression.kernels import Kernel
from compression.promises import Promise
from compression.step_promises import promise_sharing, promise_sparsity

BATCH = 128
PRUNE_EPOCHS = 2
CLUSTER_EPOCHS = 1
QAT_EPOCHS = 1


def dynamic(model: keras.Model, data: TrainingData) -> bytes:
    """Dynamic-range quantization (guide/quantization/post_training)."""
    del data
    return _convert(model)


def int8(model: keras.Model, data: TrainingData) -> bytes:
    """Integer quantization calibrated on 100 examples (tutorial post_training_integer_quant)."""
    return _convert(model, calibration=data.train.take_arrays(100)[0]["image"])


def qat_int8(model: keras.Model, data: TrainingData) -> bytes:
    """Quantization-aware training of the whole model (guide/quantization/training_example)."""
    aware = tfmot.quantization.keras.quantize_model(_copy(model))
    _fit(aware, data, QAT_EPOCHS)
    return _convert(aware)


def pruned_int8(model: keras.Model, data: TrainingData) -> bytes:
    """From 50 to 80 % over two epochs (guide/pruning/pruning_with_keras), then integer quantization."""
    return int8(_pruned(model, data), data)


def pqat_int8(model: keras.Model, data: TrainingData) -> bytes:
    """Pruned to 80 %, then sparsity-preserving training (guide/combine/pqat_example)."""
    scheme = combine.Default8BitPrunePreserveQuantizeScheme()
    return _convert(_aware(_pruned(model, data), data, scheme))


def pcqat_int8(model: keras.Model, data: TrainingData) -> bytes:
    """Pruned to 80 %, 16 clusters, then training that preserves both (guide/combine/pcqat_example)."""
    clustered = experimental_cluster.cluster_weights(
        _pruned(model, data),
        number_of_clusters=16,
        cluster_centroids_init=tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS,
        preserve_sparsity=True,
    )
    _fit(clustered, data, CLUSTER_EPOCHS, learning_rate=1e-5)
    stripped = tfmot.clustering.keras.strip_clustering(clustered)
    scheme = combine.Default8BitClusterPreserveQuantizeScheme(preserve_sparsity=True)
    return _convert(combine.strip_clustering_cqat(_aware(stripped, data, scheme)))


@dataclass(frozen=True)
class Recipe:
    """A recipe and what it says of the file that it makes.

    Attributes:
        make: From the float model to the file.
        mode: The mode of `quantize` whose types the file should have.
        sparsity: Share of zeros in every kernel; None: it is not pruned.
        clusters: Most distinct weights in a kernel; None: they are not shared.
        aware: Whether layers carry the toolkit's wrappers, which shows in the names of the file.
    """

    make: Callable[[keras.Model, TrainingData], bytes]
    mode: str = "int8"
    sparsity: float | None = None
    clusters: int | None = None
    aware: bool = False

    def promises(self, weights: Sequence[Kernel]) -> list[Promise]:
        """What the guide leads one to expect of the file."""
        layers = [kernel.layer for kernel in weights]
        made: list[Promise] = []
        if self.sparsity is not None:
            made += promise_sparsity(weights, dict.fromkeys(layers, self.sparsity), {"kernel"})
        if self.clusters is not None:
            made += promise_sharing(weights, dict.fromkeys(layers, self.clusters), {"kernel"}, "tensor")
        return made


RECIPES: dict[str, Recipe] = {
    "dynamic": Recipe(dynamic, "dynamic"),
    "int8": Recipe(int8),
    "qat, int8": Recipe(qat_int8, aware=True),
    "prune 80 %, int8": Recipe(pruned_int8, sparsity=0.8),
    "prune 80 %, pqat, int8": Recipe(pqat_int8, sparsity=0.8, aware=True),
    "prune 80 %, 16 clusters, pcqat, int8": Recipe(pcqat_int8, sparsity=0.8, clusters=16, aware=True),
}


def _copy(model: keras.Model) -> keras.Model:
    twin = keras.models.clone_model(model)
    twin.set_weights(model.get_weights())
    return twin


def _pruned(model: keras.Model, data: TrainingData) -> keras.Model:
    steps = int(np.ceil(data.train.size / BATCH)) * PRUNE_EPOCHS
    schedule = tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=0.5, final_sparsity=0.8, begin_step=0, end_step=steps
    )
    wrapped = tfmot.sparsity.keras.prune_low_magnitude(_copy(model), pruning_schedule=schedule)
    _fit(wrapped, data, PRUNE_EPOCHS, callbacks=[tfmot.sparsity.keras.UpdatePruningStep()])
    return tfmot.sparsity.keras.strip_pruning(wrapped)


def _aware(model: keras.Model, data: TrainingData, scheme: object) -> keras.Model:
    annotated = tfmot.quantization.keras.quantize_annotate_model(model)
    aware = tfmot.quantization.keras.quantize_apply(annotated, scheme)
    _fit(aware, data, QAT_EPOCHS)
    return aware


def _fit(
    model: keras.Model,
    data: TrainingData,
    epochs: int,
    *,
    learning_rate: float = 1e-3,
    callbacks: list[keras.callbacks.Callback] | None = None,
) -> None:
    model.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(data.train.batches(BATCH, shuffle_seed=data.seed), epochs=epochs, callbacks=callbacks, verbose=0)


def _convert(model: keras.Model, calibration: np.ndarray | None = None) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model")
        model.save(path, save_format="tf", include_optimizer=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(path)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if calibration is not None:

            def examples() -> Iterator[list[np.ndarray]]:
                for image in calibration:
                    yield [image[None]]

            converter.representative_dataset = examples
        return bytes(converter.convert())

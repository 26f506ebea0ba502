"""Weight clustering: every kernel keeps a few distinct values (Han et al. 2016, arXiv:1510.00149).

Values are found by k-means++ and then trained: gradients of the weights that share a value move it (see
`compression.structure`). Which weight belongs to which value is settled once.
"""

import numpy as np
import tensorflow as tf
import tf_keras as keras
from sklearn.cluster import KMeans

from compression import keras_models
from compression.data import TrainingData
from compression.determinism import seed_everything
from compression.errors import CompressionError
from compression.layer_names import first_match, match_layers
from compression.settings import ClusterSettings
from compression.structure import Keep, kernel_name
from compression.training import OnEpoch, finetune

_CLUSTERED = frozenset({"kernel", "pointwise_kernel", "recurrent_kernel", "embeddings"})
"""Depthwise kernels are left alone: they hold few weights and lose much."""

_MOST_POINTS = 65_536
"""Larger kernels are summarized by so many quantiles before k-means looks at them."""


def cluster(
    model: keras.Model,
    data: TrainingData,
    settings: ClusterSettings,
    *,
    teacher: keras.Model | None = None,
    on_epoch: OnEpoch | None = None,
) -> keras.Model:
    """Shares weights, then trains the shared values.

    Args:
        model: A Functional or Sequential model without nested models; it is not changed.
        data: `train` is fitted; `validation` is only reported.
        settings: Numbers of values, and what fine-tuning needs.
        teacher: Whose answers count, when `settings.teacher` says so.
        on_epoch: Called after every epoch.

    Returns:
        A model with the same layers. Each clustered kernel holds at most the planned number of distinct values, per
        tensor or per output channel; weights that were zero are zero.

    Raises:
        CompressionError: Nothing to cluster, a nested model, or a pattern that matches no layer.
    """
    seed_everything(data.seed)
    clustered = with_shared_weights(model, settings, seed=data.seed)
    if settings.epochs:
        keep = Keep(zeros=True, sharing=settings.scope)
        finetune(clustered, data, settings, teacher=teacher, keep=keep, on_epoch=on_epoch)
    return keras_models.copy(clustered)


def with_shared_weights(model: keras.Model, settings: ClusterSettings, *, seed: int) -> keras.Model:
    """The model that `cluster` trains.

    Args:
        model: As there.
        settings: As there.
        seed: Seed of k-means++.

    Raises:
        CompressionError: As there.
    """
    plan = plan_clusters(model, settings)
    clustered = keras_models.copy(model)
    for name, count in plan.items():
        for variable in clusterable_kernels(clustered.get_layer(name)):
            variable.assign(share_weights(variable.numpy(), count, scope=settings.scope, seed=seed))
    return clustered


def plan_clusters(model: keras.Model, settings: ClusterSettings) -> dict[str, int]:
    """The number of values that `cluster` leaves each layer's kernels; reads the model only and takes no time.

    Raises:
        CompressionError: As `cluster`.
    """
    keras_models.refuse_nested(model, "cluster")
    skipped = match_layers(settings.skip, [layer.name for layer in model.layers])
    names = [layer.name for layer in model.layers if layer.name not in skipped and clusterable_kernels(layer)]
    if not names:
        raise CompressionError(
            "cluster needs at least one convolution, dense or recurrent layer that is not skipped, got none; "
            "shorten `skip` or leave this step out"
        )
    return dict.fromkeys(names, settings.clusters) | first_match(settings.layers, names, key="layers")


def clusterable_kernels(layer: keras.layers.Layer) -> list[tf.Variable]:
    """The kernels of a layer whose weights `cluster` shares."""
    return [variable for variable in layer.trainable_weights if kernel_name(variable) in _CLUSTERED]


def share_weights(kernel: np.ndarray, clusters: int, *, scope: str, seed: int) -> np.ndarray:
    """The kernel with every weight replaced by the nearest of a few values.

    Args:
        kernel: Any shape; the last axis counts output channels.
        clusters: Most distinct values, zero included when the kernel holds zeros.
        scope: `tensor`, or `channel`: every output channel gets values of its own.
        seed: Seed of k-means++.

    Returns:
        Same shape and dtype; zeros stay zeros, and no other weight becomes one.

    >>> share_weights(np.array([[0.0, 1.0, 1.2, -3.0]]), 3, scope="tensor", seed=1).tolist()
    [[0.0, 1.1, 1.1, -3.0]]
    """
    if scope == "channel":
        channels = [share_weights(kernel[..., i], clusters, scope="tensor", seed=seed) for i in range(kernel.shape[-1])]
        return np.stack(channels, axis=-1)
    weights = kernel[kernel != 0]
    free = clusters - int(weights.size < kernel.size)
    if np.unique(weights).size <= free:
        return kernel.copy()
    shared = np.zeros_like(kernel)
    shared[kernel != 0] = _nearest(weights, _centers(weights, free, seed))
    return shared


def _centers(weights: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Centers of k-means, ascending."""
    points = weights.astype(np.float64)
    if points.size > _MOST_POINTS:
        points = np.quantile(points, (np.arange(_MOST_POINTS) + 0.5) / _MOST_POINTS)
    found = KMeans(count, init="k-means++", n_init=3, random_state=seed).fit(points.reshape(-1, 1))
    return np.sort(found.cluster_centers_.reshape(-1))


def _nearest(weights: np.ndarray, centers: np.ndarray) -> np.ndarray:
    borders = (centers[1:] + centers[:-1]) / 2
    return centers[np.searchsorted(borders, weights)].astype(weights.dtype)

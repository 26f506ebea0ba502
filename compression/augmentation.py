"""Examples that are changed a little, by the user's own function, each time that they are trained on."""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from compression.data import Augment, LabelTensor, Split
from compression.errors import CompressionError

_CHECKED = 8
_ADVICE = "return the features of the batch under their names, with the shapes and types that they came with"


def check_augment(augment: Augment, split: Split) -> None:
    """Tries it on a few examples, in a graph as training does.

    Raises:
        CompressionError: It raised, returned other features, shapes or types, or did not do the same for the same seed.
    """
    features = {name: tf.constant(values) for name, values in split.take_arrays(_CHECKED)[0].items()}
    try:
        first, *more = _thrice(augment, features)
    except Exception as error:  # whatever the user's code raises
        cause = str(error).strip().split("\n")[-1].strip()
        raise CompressionError(
            f"augment(features, seed) must change a batch of features, but raised {type(error).__name__}: {cause}"
        ) from error
    if not isinstance(first, Mapping) or set(first) != set(features):
        got = sorted(first) if isinstance(first, Mapping) else type(first).__name__
        raise CompressionError(f"augment must return the features {sorted(features)}, got {got}; {_ADVICE}")
    for name, before in features.items():
        after = first[name]
        if after.dtype != before.dtype or after.shape != before.shape:
            raise CompressionError(
                f"augment must keep {name} as {before.dtype.name} {list(before.shape)}, got {after.dtype.name} "
                f"{list(after.shape)}; {_ADVICE}"
            )
        equal_nan = before.dtype.is_floating
        if not all(np.array_equal(after.numpy(), again[name].numpy(), equal_nan=equal_nan) for again in more):
            raise CompressionError(
                f"augment must give the same for the same seed, got two different values of {name}; draw with "
                "tf.random.stateless_uniform(shape, seed) and its like"
            )


def _thrice(augment: Augment, features: dict[str, tf.Tensor]) -> list[Mapping[str, tf.Tensor]]:
    """What it makes of a batch, twice in one graph and once in another, of which Python's draws are constants."""
    one, other = (tf.function(lambda batch, seed: augment(dict(batch), seed)) for _ in range(2))
    seed = tf.constant([1, 2], tf.int64)
    return [one(features, seed), one(features, seed), other(features, seed)]


def augmented(batches: tf.data.Dataset, augment: Augment, seed: int) -> tf.data.Dataset:
    """Batches with changed features; each batch of each epoch gets a seed of its own, the same in every run.

    Args:
        batches: Of `(features, label)`.
        augment: A function that passed `check_augment`.
        seed: Decides about all seeds.
    """

    def change(
        batch: tuple[dict[str, tf.Tensor], LabelTensor], batch_seed: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], LabelTensor]:
        features, label = batch
        changed = augment(dict(features), batch_seed)
        # Random sizes hide the shape, which layers need.
        return {name: tf.ensure_shape(changed[name], values.shape) for name, values in features.items()}, label

    seeds = tf.data.Dataset.random(seed=seed, rerandomize_each_iteration=True).batch(2, drop_remainder=True)
    together = tf.data.Dataset.zip((batches, seeds))
    return together.map(change, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

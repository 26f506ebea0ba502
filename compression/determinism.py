"""Same seed, same bytes."""

import tensorflow as tf
import tf_keras as keras


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and TensorFlow, and makes TensorFlow's operators deterministic.

    Both are process-wide. Every method that trains calls this first, so its result depends on its arguments alone
    and not on what ran before it.

    Args:
        seed: Any non-negative integer below 2**32.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()

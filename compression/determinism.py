"""Same seed, same bytes."""

import tensorflow as tf
import tf_keras as keras


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and TensorFlow, makes TensorFlow's operators deterministic, and forgets Keras's names.

    All three are process-wide. Every method that trains calls this first, so its result depends on its arguments alone
    and not on what ran before it.

    Args:
        seed: Any non-negative integer below 2**32.
    """
    # Keras numbers layers and models by a process-wide count, and their names end up in the TFLite file.
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()

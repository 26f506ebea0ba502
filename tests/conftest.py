import os

# tfmot needs tf_keras behind `tf.keras`; both must be set before the first import of TensorFlow.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

"""The entrypoint of every container, with the arguments that TFX's compiler writes for its own."""

import os
import sys

# Before the first import of TensorFlow, here and in all that this process starts.
os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kubeflow.container.supervise import main

if __name__ == "__main__":
    # A pod's log is read while the step runs.
    sys.stdout.reconfigure(line_buffering=True)
    sys.exit(main(sys.argv[1:]))

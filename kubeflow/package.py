"""The compiled package of a configuration, for the commands that send it to a server: the one place that compiles."""

import tempfile
from pathlib import Path

from kubeflow.refusals import refuse
from pipeline import run_log
from pipeline.config import Config


def compiled(config: Config) -> str:
    """The text that `compile` writes.

    Raises:
        UserError: The configuration cannot run on a cluster.
    """
    refuse(config)
    with tempfile.TemporaryDirectory() as folder, run_log.into(Path(folder) / "compile.log"):
        # TensorFlow and TFX print a lot while they are imported already.
        from kubeflow.compile import compile_package

        return compile_package(config).to_yaml()

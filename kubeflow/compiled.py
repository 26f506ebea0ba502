"""The compiled package of a configuration, for the commands that send it to a server: the one place that compiles."""

import tempfile
from pathlib import Path

from kubeflow.refusals import refuse
from pipeline import run_log
from pipeline.config import Config
from pipeline.errors import EdgeError


def compiled(config: Config) -> str:
    """The text that `compile` writes.

    Raises:
        UserError: The configuration cannot run on a cluster.
        EdgeError: The package breaks a rule of `compile --check`.
    """
    refuse(config)
    with tempfile.TemporaryDirectory() as folder, run_log.into(Path(folder) / "compile.log"):
        # TensorFlow and TFX print a lot while they are imported already.
        from kubeflow.check import check
        from kubeflow.compile import compile_package

        package = compile_package(config)
        broken = [f"{name}: {fault}" for name, faults in check(package).items() for fault in faults]
    if broken:
        raise EdgeError("\n".join(broken))
    return package.to_yaml()

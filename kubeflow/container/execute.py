"""One node's executor, run as TFX's local launcher runs it, on what Kubeflow's launcher handed over."""

import hashlib
import importlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import apache_beam as beam
import tfx
from absl import logging
from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types import Artifact
from tfx.types.artifact_utils import ARTIFACT_TFX_VERSION_CUSTOM_PROPERTY_KEY

from kubeflow.container import artifacts, page
from kubeflow.container.invocation import BadInvocation, Invocation, RuntimeArtifact

_IN_PROCESS = "--runner=FnApiRunner"

_IDS = 1 << 63
"""How many ids MLMD knows."""


def execute(invocation: Invocation) -> dict[str, Any]:
    """Runs the node.

    Returns:
        An ExecutorOutput, in which every place is remote: what the launcher reads of it decides where it uploads to.

    Raises:
        BadInvocation: The image does not hold the executor, or an artifact has a type that TFX does not know.
        Exception: Whatever the node raises.
    """
    logging.set_verbosity(logging.INFO)  # as TFX's own entrypoint does
    executor = _executor_class(invocation.executor)
    names: dict[int, str] = {}
    inputs = {
        key: [artifacts.to_tfx(item, _number(item, names)) for item in items]
        for key, items in invocation.inputs.items()
        if items
    }
    outputs = {key: _made(item, _number(item, names)) for key, item in invocation.outputs.items()}
    executor(_context(executor, invocation)).Do(
        inputs, {key: [item] for key, item in outputs.items()}, dict(invocation.parameters)
    )
    described = {key: _described(item, invocation.outputs[key].name, names) for key, item in outputs.items()}
    described |= page.fill(invocation.system, {key: Path(item.uri) for key, item in outputs.items()})
    return {"artifacts": {key: {"artifacts": [item]} for key, item in described.items()}}


def _executor_class(path: str) -> type[BaseExecutor]:
    module, _, name = path.rpartition(".")
    try:
        found: type[BaseExecutor] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise BadInvocation(
            f"the image must hold {path} and all that it imports, but importing it gave {error}; build the image anew "
            "from the code that compiled the pipeline"
        ) from error
    return found


def _context(executor: type[BaseExecutor], invocation: Invocation) -> BaseExecutor.Context:
    folder = Path(invocation.output_file).parent
    common = {
        # Beside the outputs, of which the launcher uploads nothing but the artifacts themselves.
        "tmp_dir": str(folder / ".temp"),
        "unique_id": folder.name,
        "pipeline_run_id": invocation.run_id,
    }
    args = list(invocation.beam_args)
    if not issubclass(executor, BaseBeamExecutor):
        return BaseExecutor.Context(extra_flags=args, **common)
    if _IN_PROCESS in args:
        # Given arguments, TFX would first pack itself for workers elsewhere: seconds, and a build in the pod.
        return BaseBeamExecutor.Context(make_beam_pipeline_fn=lambda: beam.Pipeline(argv=list(args)), **common)
    return BaseBeamExecutor.Context(beam_pipeline_args=args, **common)


def _number(item: RuntimeArtifact, names: dict[int, str]) -> int:
    """A number for TFX instead of Kubeflow's name; noted, to be found again."""
    number = int.from_bytes(hashlib.sha256(item.name.encode()).digest()[:8], "big") % _IDS
    names[number] = item.name
    return number


def _made(item: RuntimeArtifact, number: int) -> Artifact:
    """An output artifact with an empty folder, as on one machine; the launcher makes its parent at most."""
    artifact = artifacts.to_tfx(item, number)
    folder = Path(artifact.uri)
    # Files of an earlier try would be uploaded with those of this one.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return artifact


def _described(artifact: Artifact, name: str, names: Mapping[int, str]) -> dict[str, Any]:
    artifact.set_string_custom_property(ARTIFACT_TFX_VERSION_CUSTOM_PROPERTY_KEY, tfx.__version__)
    return artifacts.to_output(artifact, name, names)

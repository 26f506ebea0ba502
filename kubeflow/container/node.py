"""The process that runs one node: its log on standard output, one sentence when it fails, its outputs when not."""

import json
import logging
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.progress import heard_by
from kubeflow.container import mounts
from kubeflow.container.invocation import Invocation


def run(invocation: Invocation) -> int:
    """Runs the node and writes what the launcher reads; returns the exit code."""
    # One stream keeps the order of lines, those of C++ too.
    os.dup2(sys.stdout.fileno(), sys.stderr.fileno())
    logging.basicConfig(level=logging.INFO, stream=sys.stdout)
    os.environ[mounts.VARIABLE] = mounts.as_variable()
    try:
        # Imports TFX: what fails here is the image's fault, and said as well.
        from kubeflow.container.execute import execute

        with heard_by(_show_epoch):
            output = execute(invocation)
        write_whole(Path(invocation.output_file), output)
    except Exception as error:  # whatever a node raises is this run's failure
        from pipeline.failure import cause

        traceback.print_exception(error, file=sys.stdout)
        room = _ROOM.format(invocation.task)
        sys.stdout.write(f"{invocation.task} failed: {cause(error, room)}\n")
        return 1
    sys.stdout.write(f"{invocation.task} done\n")
    return 0


def _show_epoch(done: int, planned: int, logs: Mapping[str, float]) -> None:
    """How far a training is, for who reads the pod's log."""
    sys.stdout.write(f"epoch {done}/{planned}: {', '.join(f'{name} {value:.4g}' for name, value in logs.items())}\n")


_ROOM = (
    "give the pod a node with more of it (kubeflow.steps.{}.node_selector), or mount a volume (kubeflow.volumes) and "
    "let TMPDIR in kubeflow.env name a folder on it"
)
"""What helps against a full disk in a pod: there is no workspace to move."""


def write_whole(path: Path, output: dict[str, Any]) -> None:
    """Writes an ExecutorOutput so that the launcher finds it whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.incoming")
    beside.write_text(json.dumps(output, allow_nan=False))
    beside.replace(path)

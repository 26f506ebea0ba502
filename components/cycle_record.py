"""The last node on a cluster: keeps in the registry what became of a cycle."""

import json

from tfx.dsl.component.experimental.annotations import InputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types.standard_artifacts import Examples, ModelEvaluation

from components.cycles.record import Status, measured
from components.errors import InputError
from components.ingest import read_note
from components.summary import SUMMARY_FILE


@component
def CycleRecord(  # noqa: N802 - a component is named like a class
    examples: InputArtifact[Examples],
    summary: InputArtifact[ModelEvaluation],
    code_sha256: Parameter[str] = "",
) -> None:
    """Writes the record that the next run's ingest compares with.

    Args:
        examples: Ingest's output, with the cycle that it began.
        summary: What the run came to.
        code_sha256: Makes a change of code known to the cache.

    Raises:
        InputError: Ingest began no cycle.
        RegistryError: The registry cannot be written.
    """
    del code_sha256
    note = read_note(examples.uri)
    if note is None:
        raise InputError(f"{examples.uri} must hold a cycle that ingest has begun, and holds none; give ingest `cycle`")
    with fileio.open(f"{summary.uri}/{SUMMARY_FILE}") as stream:
        told = json.loads(stream.read())
    note.close(
        Status(told["status"]),
        exit_code=told["exit_code"],
        run_id=told["run_id"] or "",
        measured=measured(told),
        pushed_version=(told["pushed"] or {}).get("version"),
    )

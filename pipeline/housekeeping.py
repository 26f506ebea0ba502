"""What a run sees to before its nodes begin and when they have ended, while it holds its workspace.

Nothing here makes a run fail: what goes wrong is said, and the next run tries again.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

from components.ingest_spec import SPILL_FOLDER
from pipeline import frozen_schema, retention
from pipeline.config import Config
from pipeline.pushed_metadata import forget_removed
from pipeline.workspace import Workspace
from registry import Registry, RegistryError


def remove_spilled(workspace: Workspace) -> None:
    """Removes the records that an ingest which was killed left on their way, before the next one needs the room."""
    for folder in workspace.artifacts.glob(f"ingest/examples/*/{SPILL_FOLDER}"):
        shutil.rmtree(folder, ignore_errors=True)


def freeze_schema(config: Config, uri: str, data_sha256: str) -> Iterator[str]:
    """The first model that is pushed fixes what data must look like from then on.

    Args:
        config: The configuration.
        uri: The artifact of the schema that the run used.
        data_sha256: Hash of what it ingested.

    Yields:
        What was done, or what went wrong.
    """
    place = frozen_schema.place(config)
    if not frozen_schema.freezes(config) or place.exists():
        return
    try:
        frozen_schema.write(config, (Path(uri) / frozen_schema.FILE).read_text(), data_sha256)
    except OSError as error:
        yield f"warning: the schema must be written to {place}, but that gave: {error}; the next push tries again"
        return
    yield f"the schema of the data is frozen in {place}"


def remove_old(config: Config, workspace: Workspace) -> Iterator[str]:
    """Removes what `runtime.keep_runs` and `push.keep` leave no room for, from the disk and from MLMD.

    Yields:
        What was done, or what went wrong.
    """
    keep = config.runtime.keep_runs
    if not workspace.metadata.exists() or (keep is None and config.push.keep is None):
        return
    try:
        registry = Registry(config.registry)
        # What `push.keep` removed, in this run or in one that was killed, leaves the metadata too.
        forget_removed(workspace.metadata, registry)
        if keep is None:
            return
        removed = retention.keep_newest(
            workspace.metadata,
            workspace.artifacts,
            workspace.runs,
            keep,
            retention.lineage_uris(registry),
            retention.pushing_runs(registry),
            tensorboard=workspace.tensorboard,
        )
    except (RegistryError, OSError) as error:
        yield f"warning: what older runs left must be removed, but that gave: {error}; the next run tries again"
        return
    if removed:
        yield f"removed {removed} artifacts of runs before the newest {keep}"

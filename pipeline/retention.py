"""Removes what old runs left behind, and keeps MLMD true about it.

An artifact is first marked as deleted, from which on TFX's cache does not hand it out, and then removed from the disk.
What a kill leaves in between is removed the next time.
"""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

from registry import Registry

_DELETED = metadata_store_pb2.Artifact.DELETED


def keep_newest(
    metadata: Path,
    artifacts: Path,
    runs: Path,
    keep: int,
    protected: Iterable[str],
    reported: Iterable[str] = (),
    *,
    tensorboard: Path | None = None,
) -> int:
    """Removes the artifacts of all but the newest runs, their logs, curves and pages; summaries and details stay.

    Args:
        metadata: The file of MLMD; nobody else may be writing it.
        artifacts: Folder of all artifacts; nothing outside of it is touched.
        runs: Folder of all runs.
        keep: How many runs keep everything, at least 1.
        protected: URIs of artifacts that stay whoever made them.
        reported: Ids of runs whose page stays.
        tensorboard: Folder of the event logs of all runs; `None`: there are none.

    Returns:
        How many artifacts were removed.
    """
    store = _open(metadata)
    ordered = sorted(store.get_contexts_by_type("pipeline_run"), key=lambda context: context.id)
    old, kept = ordered[:-keep], ordered[-keep:]
    # What a kept run took from the cache belongs to it as well.
    used = {artifact.id for context in kept for artifact in store.get_artifacts_by_context(context.id)}
    stay = {uri.rstrip("/") for uri in protected}
    gone = {
        artifact.id: artifact
        for context in old
        for artifact in store.get_artifacts_by_context(context.id)
        if artifact.id not in used and artifact.uri.rstrip("/") not in stay
    }
    marked = [artifact for artifact in gone.values() if artifact.state != _DELETED]
    for artifact in marked:
        artifact.state = _DELETED
    if marked:
        store.put_artifacts(marked)
    for artifact in gone.values():
        _remove(Path(artifact.uri), artifacts)
    shown = set(reported)
    for context in old:
        (runs / context.name / "run.log").unlink(missing_ok=True)
        if context.name not in shown:
            # The largest of what is left, and made anew from the others at any time.
            (runs / context.name / "report.html").unlink(missing_ok=True)
        if tensorboard is not None:
            _remove(tensorboard / context.name, tensorboard)
    return len(marked)


def lineage_uris(registry: Registry) -> list[str]:
    """Where the artifacts lie that pushed versions came from: later cycles go on from them.

    Raises:
        RegistryError: The registry cannot be read.
    """
    parents: list[Mapping[str, Any]] = [dict(version.manifest.get("lineage") or {}) for version in registry.versions()]
    return [parent["uri"] for each in parents for parent in each.values()]


def pushing_runs(registry: Registry) -> list[str]:
    """Ids of the runs that pushed the versions of a registry.

    Raises:
        RegistryError: The registry cannot be read.
    """
    return [str(version.manifest["run_id"]) for version in registry.versions() if version.manifest.get("run_id")]


def _open(metadata: Path) -> metadata_store.MetadataStore:
    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(metadata)
    return metadata_store.MetadataStore(connection)


def _remove(place: Path, artifacts: Path) -> None:
    """Removes a folder of an artifact; one that lies elsewhere, and what is gone already, is left alone."""
    if place.is_relative_to(artifacts) and place != artifacts and place.is_dir():
        shutil.rmtree(place)

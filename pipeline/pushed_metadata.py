"""Keeps MLMD true about what was pushed: a version that left the registry is no artifact any more."""

from pathlib import Path

from registry import Registry


def forget_removed(metadata: Path, registry: Registry) -> int:
    """Marks the `PushedModel` artifacts of versions that the registry no longer holds as deleted.

    Args:
        metadata: The file of MLMD; nobody else may be writing it.
        registry: The registry.

    Returns:
        How many were marked.
    """
    if not metadata.exists():
        return 0
    # Brings no TensorFlow along.
    from ml_metadata import metadata_store
    from ml_metadata.proto import metadata_store_pb2

    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(metadata)
    store = metadata_store.MetadataStore(connection)
    deleted, held = metadata_store_pb2.Artifact.DELETED, set(registry.numbers())
    gone = []
    for artifact in store.get_artifacts_by_type("PushedModel"):
        properties = artifact.custom_properties
        version = properties["pushed_version"].string_value
        here = properties["pushed_destination"].string_value.startswith(f"{registry.place}/")
        if here and version.isdigit() and int(version) not in held and artifact.state != deleted:
            artifact.state = deleted
            gone.append(artifact)
    if gone:
        store.put_artifacts(gone)
    return len(gone)

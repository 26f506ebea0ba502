"""Where Kubeflow's launcher puts what stands in an object store, and back.

The launcher downloads inputs before the step starts and uploads outputs after it ended; the step itself sees files.
TensorFlow would take `s3://` and `minio://` for something it cannot open, and plain Python for a local folder.
"""

import json
from collections.abc import Mapping
from typing import Any

MOUNTS: Mapping[str, str] = {"s3://": "/s3/", "minio://": "/minio/", "gs://": "/gcs/"}
"""Scheme to folder, as `LocalPathForURI` in the launcher has them (backend/src/v2/component/launcher_v2.go)."""

VARIABLE = "TFX_EDGE_MOUNTS"
"""Environment variable that tells nodes the same: `{folder: scheme}` as JSON, for places that outlive the pod."""


class UnknownPlace(ValueError):
    """A URI that the launcher does not mount."""


def to_local(uri: str) -> str:
    """Where the launcher mounts a URI.

    >>> to_local("minio://bucket/a/b")
    '/minio/bucket/a/b'

    Raises:
        UnknownPlace: It has another scheme.
    """
    for scheme, folder in MOUNTS.items():
        if uri.startswith(scheme):
            return folder + uri.removeprefix(scheme)
    raise UnknownPlace(
        f"artifacts must stand in one of {', '.join(MOUNTS)}, got {uri!r}; change the pipeline root (kubeflow.root, or "
        "the one that the run was given)"
    )


def to_remote(text: str) -> str:
    """The URI of a path below a mount; any other text stays as it is.

    >>> to_remote("/s3/bucket/a"), to_remote("/data/a"), to_remote("relu")
    ('s3://bucket/a', '/data/a', 'relu')
    """
    for scheme, folder in MOUNTS.items():
        if text.startswith(folder):
            return scheme + text.removeprefix(folder)
    return text


def remote_values(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """The same JSON value with `to_remote` applied to every text in it."""
    if isinstance(value, str):
        return to_remote(value)
    if isinstance(value, Mapping):
        return {key: remote_values(item) for key, item in value.items()}
    if isinstance(value, list):
        return [remote_values(item) for item in value]
    return value


def as_variable() -> str:
    """The value of `VARIABLE`."""
    return json.dumps({folder: scheme for scheme, folder in MOUNTS.items()})

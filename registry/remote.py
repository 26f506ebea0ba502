"""Opens what lies on another storage than the local disk, and tells where what is mounted here really lies."""

import json
import os
from collections.abc import Mapping
from typing import Any

from registry.errors import RegistryError

MOUNTS = "TFX_EDGE_MOUNTS"
"""The environment variable with `{folder: URI prefix}` as JSON: `{"/s3": "s3://", "/minio": "minio://"}`."""

_MINIO = "minio://"


def open_filesystem(uri: str) -> tuple[Any, str]:
    """The file system of a URI, as fsspec has it, and the path on it; credentials come from the environment.

    `minio://`, as Kubeflow Pipelines writes it, is S3 at the address that `AWS_ENDPOINT_URL` names.

    Raises:
        ImportError, ValueError: fsspec does not know the scheme, or lacks the package for it.
    """
    # For what lies on object stores alone; the rest does without its import.
    import fsspec

    # Listings that are remembered would hide what other writers do.
    known = f"s3://{uri.removeprefix(_MINIO)}" if uri.startswith(_MINIO) else uri
    filesystem, path = fsspec.core.url_to_fs(known, use_listings_cache=False, skip_instance_cache=True)
    return filesystem, path.rstrip("/")


def remote_uri(place: str, environment: Mapping[str, str] = os.environ) -> str:
    """Where a folder or file lies for those who do not have this container's mounts.

    Args:
        place: A path, or a URI, which stays as it is.
        environment: Holds `MOUNTS`, on a cluster.

    Raises:
        RegistryError: The variable holds something else.
    """
    for mount, prefix in _mounts(environment).items():
        folder = mount.rstrip("/")
        if place == folder or place.startswith(f"{folder}/"):
            rest = place.removeprefix(folder).lstrip("/")
            return prefix + rest if prefix.endswith("/") else f"{prefix}/{rest}"
    return place


def _mounts(environment: Mapping[str, str]) -> dict[str, str]:
    """The mounts, the deepest first."""
    text = environment.get(MOUNTS) or "{}"
    try:
        mounts = json.loads(text)
        if not all(isinstance(part, str) and part for pair in mounts.items() for part in pair):
            raise TypeError("a folder or prefix is no text")
    except (ValueError, TypeError, AttributeError) as error:
        raise RegistryError(
            f'{MOUNTS} must hold folders and URI prefixes as JSON, such as {{"/s3": "s3://"}}; it holds {text!r}. '
            "Mend or unset it."
        ) from error
    return dict(sorted(mounts.items(), key=lambda mount: len(mount[0]), reverse=True))

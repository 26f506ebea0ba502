"""Where a pushed model comes from: the artifacts that a later cycle needs again, named by place and content."""

import hashlib
from collections.abc import Iterator
from typing import Any

from tfx.dsl.io import fileio
from tfx.types import Artifact

_BLOCK_BYTES = 1 << 20


def describe(artifact: Artifact) -> dict[str, str]:
    """`{uri, sha256}` of an artifact, for a manifest."""
    return {"uri": artifact.uri, "sha256": tree_sha256(artifact.uri)}


def tree_sha256(uri: str) -> str:
    """Hash of the names and contents of all files under a folder, in the order of their names.

    Args:
        uri: The folder, here or in an object store.
    """
    digest = hashlib.sha256()
    for name, path in sorted(_files(uri)):
        digest.update(f"{name}\0{_file_sha256(path)}\0".encode())
    return digest.hexdigest()


def fault(parent: Any) -> str | None:  # noqa: ANN401 - a value of a manifest, whatever it holds
    """Why an artifact that a manifest names cannot be used any more, in words; `None` when it is as it was.

    Args:
        parent: What `describe` gave; `None` where the manifest names nothing.
    """
    if not isinstance(parent, dict) or not isinstance(parent.get("uri"), str):
        return "the manifest does not name it"
    uri = parent["uri"]
    if not fileio.isdir(uri):
        return f"{uri} is gone"
    if tree_sha256(uri) != parent.get("sha256"):
        return f"{uri} changed since the push"
    return None


def copy(uri: str, target: str) -> None:
    """Copies all files under a folder into another."""
    for name, path in _files(uri):
        copied = f"{target}/{name}"
        fileio.makedirs(copied.rpartition("/")[0])
        fileio.copy(path, copied, overwrite=True)


def _files(uri: str) -> Iterator[tuple[str, str]]:
    """Name under the folder, and path, of every file."""
    root = uri.rstrip("/")
    for folder, _, names in fileio.walk(root):
        for name in names:
            path = f"{folder.rstrip('/')}/{name}"
            yield path.removeprefix(f"{root}/"), path


def _file_sha256(path: str) -> str:
    digest = hashlib.sha256()
    with fileio.open(path, "rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()

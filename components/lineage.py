"""Where a pushed model comes from: the artifacts that a later cycle needs again, named by place and content."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfx.dsl.io import fileio
from tfx.types import Artifact

from registry import RegistryError
from registry.remote import open_filesystem, remote_uri
from registry.storage import is_uri

_BLOCK_BYTES = 1 << 20


def describe(artifact: Artifact) -> dict[str, str]:
    """`{uri, sha256}` of an artifact, for a manifest; the URI is one that other containers understand too."""
    return {"uri": remote_uri(artifact.uri), "sha256": tree_sha256(artifact.uri)}


def tree_sha256(uri: str) -> str:
    """Hash of the names and contents of all files under a folder, in the order of their names.

    Args:
        uri: The folder, here or in an object store.
    """
    digest = hashlib.sha256()
    for name, path in sorted(_files(uri)):
        digest.update(f"{name}\0{_file_sha256(path)}\0".encode())
    return digest.hexdigest()


def fetch(parent: Any, target: str) -> str | None:  # noqa: ANN401 - a value of a manifest, whatever it holds
    """Copies an artifact that a manifest names, provided that it is as it was.

    Args:
        parent: What `describe` gave; `None` where the manifest names nothing.
        target: A folder, which is made anew; nothing is left of it when the artifact cannot be used.

    Returns:
        Why it cannot be used any more, in words; `None` when it stands in `target`.

    Raises:
        RegistryError: The store that holds it does not answer, which says nothing about the artifact.
    """
    if not isinstance(parent, dict) or not isinstance(parent.get("uri"), str):
        return "the manifest does not name it"
    uri = parent["uri"]
    if fileio.isdir(target):
        fileio.rmtree(target)
    found = _download(uri, target) if is_uri(uri) else _copy(uri, target)
    if not found:
        return f"{uri} is gone"
    if tree_sha256(target) != parent.get("sha256"):
        fileio.rmtree(target)
        return f"{uri} changed since the push"
    return None


def _copy(uri: str, target: str) -> bool:
    """Whether there is such a folder."""
    if not fileio.isdir(uri):
        return False
    fileio.makedirs(target)
    for name, path in _files(uri):
        copied = f"{target}/{name}"
        fileio.makedirs(copied.rpartition("/")[0])
        fileio.copy(path, copied, overwrite=True)
    return True


def _download(uri: str, target: str) -> bool:
    """Whether anything lies below the URI."""
    try:
        files, root = open_filesystem(uri)
        paths = [path for path in files.find(root) if not path.endswith("/")]
        for path in paths:
            copied = Path(target) / path.removeprefix(root).lstrip("/")
            copied.parent.mkdir(parents=True, exist_ok=True)
            files.get_file(path, str(copied))
    except FileNotFoundError:
        shutil.rmtree(target, ignore_errors=True)
        return False
    except Exception as error:  # each store's own library raises errors of its own
        raise RegistryError(
            f"What the current version came from must be readable at {uri}; it gave: {type(error).__name__}: {error}. "
            "Look at the address and the credentials in the environment, and run again."
        ) from error
    return bool(paths)


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

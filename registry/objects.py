"""A registry on an object store, or on any other file system that fsspec knows: commit by pointer.

    ROOT/objects/<random>/...       files of a version, written once and never changed
    ROOT/versions/<n>.json          {"folder": "objects/<random>"}: what makes the version exist, created only if absent
    ROOT/NAME                       small files, such as current.json

Object stores know no rename, but each object is there whole or not at all. An upload that breaks off leaves objects
that no version names. Two writers that want the same number both try to create its pointer, and one of them is told no.
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import fsspec

from registry.errors import RegistryError

_POINTER = re.compile(r"([1-9][0-9]*)\.json")
_ABANDONED = timedelta(days=1)
"""An upload that no version names after so long is none that still goes on."""


class ObjectStorage:
    """Versions below a URI.

    Args:
        uri: `s3://bucket/folder` or any other that fsspec knows. Credentials come from the environment.

    Raises:
        RegistryError: fsspec does not know the scheme, or lacks the package for it.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        try:
            # Listings that are remembered would hide what other writers do.
            filesystem, root = fsspec.core.url_to_fs(self.uri, use_listings_cache=False, skip_instance_cache=True)
        except (ImportError, ValueError) as error:
            raise RegistryError(
                f"push.to must be a folder or a URI that fsspec can open; {self.uri} gave: {error}. Install the "
                "package that it names, or choose another place."
            ) from error
        self._files: Any = filesystem
        self._root = root.rstrip("/")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nothing to lock: the store itself refuses to create the same object twice."""
        yield

    def numbers(self) -> list[int]:
        """Numbers of all versions, oldest first."""
        found = (_POINTER.fullmatch(name) for name in self.listed("versions"))
        return sorted(int(match[1]) for match in found if match)

    def names(self, number: int) -> list[str]:
        """Names of the files of a version."""
        try:
            return self._listed(self._folder(number))
        except FileNotFoundError:
            return []

    def read(self, number: int, name: str) -> bytes:
        """A file of a version."""
        return self._get(f"{self._folder(number)}/{name}")

    def place(self, number: int) -> str:
        """URI of the folder of a version."""
        try:
            return f"{self.uri}/{self._folder(number)}"
        except FileNotFoundError:
            return f"{self.uri}/versions/{number}.json"

    def commit(self, number: int, files: Mapping[str, bytes], replaced: Mapping[str, bytes]) -> None:
        """Uploads all files, then the pointer that makes them a version, then the small files."""
        folder = f"objects/{uuid.uuid4().hex}"
        for name, content in files.items():
            self._put(f"{folder}/{name}", content)
        pointer = json.dumps({"folder": folder}).encode()
        self._put(f"versions/{number}.json", pointer, mode="create")
        for name, content in replaced.items():
            self._put(name, content)

    def remove(self, number: int) -> None:
        """Removes the pointer, and then the files that nobody finds from then on."""
        folder = self._folder(number)
        with self._failing_as(f"remove version {number}"):
            self._files.rm_file(f"{self._root}/versions/{number}.json")
            self._files.rm(f"{self._root}/{folder}", recursive=True)

    def remove_leftovers(self) -> None:
        """Removes uploads that no version names and that are older than a day: a younger one may still go on."""
        named = {self._folder(number).rpartition("/")[2] for number in self.numbers()}
        for folder in self.listed("objects"):
            if folder not in named and self._newest(f"objects/{folder}") < datetime.now(UTC) - _ABANDONED:
                with self._failing_as(f"remove objects/{folder}"):
                    self._files.rm(f"{self._root}/objects/{folder}", recursive=True)

    def get(self, name: str) -> bytes:
        """A small file."""
        return self._get(name)

    def replace(self, name: str, content: bytes) -> None:
        """Replaces a small file: an object is whole, old or new."""
        self._put(name, content)

    def create(self, name: str, content: bytes) -> None:
        """Makes a small file; one of that name stays as it is."""
        try:
            self._put(name, content, mode="create")
        except FileExistsError:
            return

    def listed(self, folder: str) -> list[str]:
        """Names of the small files in a folder."""
        try:
            return self._listed(folder)
        except FileNotFoundError:
            return []

    def _folder(self, number: int) -> str:
        return str(json.loads(self._get(f"versions/{number}.json"))["folder"])

    def _newest(self, folder: str) -> datetime:
        with self._failing_as(f"list {folder}"):
            entries = self._files.ls(f"{self._root}/{folder}", detail=True)
        times = [entry.get("LastModified") or entry.get("created") for entry in entries]
        return max((time for time in times if isinstance(time, datetime)), default=datetime.now(UTC))

    def _listed(self, folder: str) -> list[str]:
        with self._failing_as(f"list {folder}"):
            paths = self._files.ls(f"{self._root}/{folder}", detail=False)
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def _get(self, name: str) -> bytes:
        with self._failing_as(f"read {name}"):
            return bytes(self._files.cat_file(f"{self._root}/{name}"))

    def _put(self, name: str, content: bytes, mode: str = "overwrite") -> None:
        with self._failing_as(f"write {name}"):
            self._files.pipe_file(f"{self._root}/{name}", content, mode=mode)

    @contextmanager
    def _failing_as(self, action: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, FileExistsError, RegistryError):
            raise
        except Exception as error:  # each store's own library raises errors of its own
            raise RegistryError(
                f"The registry {self.uri} must be able to {action}; it gave: {_first_line(error)}. Check the address, "
                "the bucket and the credentials in the environment, and try again: nothing half-written is visible."
            ) from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__

"""A registry on an object store, or on any other file system that fsspec knows: commit by pointer.

    ROOT/objects/<n>-<random>/...   files of a version, written once and never changed
    ROOT/versions/<n>.json          {"folder": ...}: what makes the version exist; it stays when the version is removed,
    ROOT/versions/<n>.removed       so that no number is given twice
    ROOT/history/<number>.json      every state that the registry was in, the last one being what counts for writers
    ROOT/current.json               a copy of the last state, for readers

Object stores know no rename and no lock, but each object is there whole or not at all, and of two writers that create
an object of one name, one is told no. So a version exists once its pointer could be created, and a change counts once
its state could be created under the next number: whoever is told no looks again and decides anew.
"""

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from registry.errors import RegistryError
from registry.remote import open_filesystem
from registry.storage import CURRENT, HISTORY, Outdated, StateFiles, event_names

_POINTER = re.compile(r"([1-9][0-9]*)\.json")


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
            self._files, self._root = open_filesystem(self.uri)
        except (ImportError, ValueError) as error:
            raise RegistryError(
                f"push.to must be a folder or a URI that fsspec can open; {self.uri} gave: {error}. Install the "
                "package that it names, or choose another place."
            ) from error
        self._exclusive = False
        self._bucket_seen = False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nothing to lock: the store itself refuses to create the same object twice."""
        yield

    def numbers(self) -> list[int]:
        """Numbers of all versions, oldest first."""
        names = set(self.listed("versions"))
        found = (_POINTER.fullmatch(name) for name in names)
        return sorted(int(match[1]) for match in found if match and f"{match[1]}.removed" not in names)

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

    def commit(self, number: int, files: Mapping[str, bytes], state: StateFiles) -> None:
        """Uploads all files, then the pointer that makes them a version, then the state."""
        self._prove_exclusive()
        folder = f"objects/{number}-{uuid.uuid4().hex}"
        for name, content in files.items():
            self._put(f"{folder}/{name}", content)
        self._create(f"versions/{number}.json", json.dumps({"folder": folder}).encode())
        self.publish(state)

    def publish(self, state: StateFiles) -> None:
        """Creates the state, which decides, and copies it to where readers look."""
        try:
            self._create(state.event_name, state.content)
        except FileExistsError as error:
            raise Outdated from error
        content, name = state.content, state.event_name
        while True:
            self._put(CURRENT, content)
            # A writer that came later may have copied its state before us.
            last = f"{HISTORY}/{event_names(self)[-1]}"
            if last <= name:
                return
            content, name = self._get(last), last

    def remove(self, number: int) -> None:
        """Marks the number as removed, and then removes the files that nobody finds from then on."""
        folder = self._folder(number)
        self._put(f"versions/{number}.removed", b"")
        with self._failing_as(f"remove version {number}"), suppress(FileNotFoundError):
            self._files.rm(f"{self._root}/{folder}", recursive=True)

    def remove_leftovers(self) -> None:
        """Removes uploads for numbers that others took, or that were removed."""
        taken = {int(match[1]) for name in self.listed("versions") if (match := _POINTER.fullmatch(name))}
        named = {self._folder(number).rpartition("/")[2] for number in self.numbers()}
        for folder in self.listed("objects"):
            number = folder.partition("-")[0]
            # An upload for a number that is still free may go on right now.
            if folder not in named and number.isdigit() and int(number) in taken:
                with self._failing_as(f"remove objects/{folder}"):
                    self._files.rm(f"{self._root}/objects/{folder}", recursive=True)

    def get(self, name: str) -> bytes:
        """A small file."""
        return self._get(name)

    def create(self, name: str, content: bytes) -> bool:
        """Makes a small file; of two writers the store refuses one."""
        self._prove_exclusive()
        try:
            self._create(name, content)
        except FileExistsError:
            return False
        return True

    def listed(self, folder: str) -> list[str]:
        """Names of the small files in a folder."""
        try:
            return self._listed(folder)
        except FileNotFoundError:
            self._check_bucket()
            return []

    def _folder(self, number: int) -> str:
        return str(json.loads(self._get(f"versions/{number}.json"))["folder"])

    def _create(self, name: str, content: bytes) -> None:
        """Creates an object that must not exist.

        Raises:
            FileExistsError: It does, and holds something else.
        """
        try:
            self._put(name, content, mode="create")
        except FileExistsError:
            # The answer to a first try may have been lost on its way: then it is our own object that is in the way.
            if self._get(name) != content:
                raise

    def _prove_exclusive(self) -> None:
        """Makes sure that the store refuses to create an object twice, on which everything here stands."""
        if self._exclusive:
            return
        probe = f"probe-{uuid.uuid4().hex}"
        try:
            self._put(probe, b"1", mode="create")
            self._put(probe, b"2", mode="create")
        except FileExistsError:
            self._exclusive = True
        finally:
            with self._failing_as("remove a probe"), suppress(FileNotFoundError):
                self._files.rm_file(f"{self._root}/{probe}")
        if not self._exclusive:
            raise RegistryError(
                f"The registry {self.uri} must be on a store that refuses to create an object twice; this one does "
                "not. Two pushes at once could overwrite each other there: choose another store, or a folder."
            )

    def _listed(self, folder: str) -> list[str]:
        with self._failing_as(f"list {folder}"):
            paths = self._files.ls(f"{self._root}/{folder}", detail=False)
        return sorted(path.rstrip("/").rpartition("/")[2] for path in paths)

    def _get(self, name: str) -> bytes:
        try:
            with self._failing_as(f"read {name}"):
                return bytes(self._files.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            self._check_bucket()
            raise

    def _check_bucket(self) -> None:
        """A bucket that is not there must not pass for an empty registry."""
        bucket = self._root.partition("/")[0]
        if self._bucket_seen or not bucket:
            return
        with self._failing_as(f"look for the bucket {bucket}"):
            self._bucket_seen = bool(self._files.exists(bucket))
        if not self._bucket_seen:
            raise RegistryError(
                f"The registry {self.uri} must be in a bucket that exists; there is no {bucket}. Make the bucket, or "
                "mend push.to."
            )

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

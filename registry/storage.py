"""Where a registry keeps its bytes: what every kind of storage can do, and which one a place stands for."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CURRENT = "current.json"
HISTORY = "history"
_EVENT_NAME = re.compile(r"[0-9]{8,}\.json")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


class Outdated(Exception):
    """Another writer changed the registry meanwhile: look again and decide anew."""


@dataclass(frozen=True)
class StateFiles:
    """A state of the registry, ready to be written.

    Attributes:
        event_name: Name of the small file that keeps it among all that was done; there is one of each name.
        content: What that file and the pointer hold.
    """

    event_name: str
    content: bytes


class Storage(Protocol):
    """Numbered versions, each whole or absent, and a few small files that are replaced in one step.

    All methods raise `OSError` (or `RegistryError`, which says more) when the storage does not answer.

    Attributes:
        uri: Where it is.
    """

    uri: str

    def locked(self) -> AbstractContextManager[None]:
        """Keeps other writers out, where the storage has locks; elsewhere `commit` and `publish` see to it."""

    def numbers(self) -> list[int]:
        """Numbers of all versions, oldest first."""

    def names(self, number: int) -> list[str]:
        """Names of the files of a version, sorted; empty when there is no such version."""

    def read(self, number: int, name: str) -> bytes:
        """A file of a version.

        Raises:
            FileNotFoundError: There is no such file or version.
        """

    def place(self, number: int) -> str:
        """Path or URI of the folder of a version."""

    def commit(self, number: int, files: Mapping[str, bytes], state: StateFiles) -> None:
        """Makes a version visible, whole, and then publishes the state.

        Raises:
            FileExistsError: The number is taken, now or by a version that was removed since.
            Outdated: The version is visible, but the state is not: another writer was quicker.
        """

    def publish(self, state: StateFiles) -> None:
        """Makes a state the current one.

        Raises:
            Outdated: Another writer was quicker.
        """

    def remove(self, number: int) -> None:
        """Makes a version absent, and then removes its files."""

    def remove_leftovers(self) -> None:
        """Removes what killed writers left behind and nobody sees."""

    def get(self, name: str) -> bytes:
        """A small file.

        Raises:
            FileNotFoundError: There is none.
        """

    def create(self, name: str, content: bytes) -> bool:
        """Makes a small file, under the lock; one of that name stays as it is, and the answer is no."""

    def listed(self, folder: str) -> list[str]:
        """Names of the small files in a folder, sorted."""


def event_names(storage: Storage) -> list[str]:
    """Names of the files of all events, oldest first; whatever else lies beside them is none of the registry's."""
    return [name for name in storage.listed(HISTORY) if _EVENT_NAME.fullmatch(name)]


def is_uri(place: str) -> bool:
    """Whether a place is on a storage other than the local disk."""
    found = _SCHEME.match(place)
    return found is not None and found[1].lower() != "file"


def open_storage(place: str, lock_timeout_seconds: float) -> Storage:
    """The storage of a folder or of any URI that fsspec knows; nothing is written yet."""
    if is_uri(place):
        # fsspec and what it brings are for registries on object stores alone.
        from registry.objects import ObjectStorage

        return ObjectStorage(place)
    from registry.folder import FolderStorage

    return FolderStorage(Path(re.sub(r"^file://", "", place, flags=re.IGNORECASE)), lock_timeout_seconds)

"""What can be read of a registry: its versions, the pointer to the current one, and its history."""

import json
from pathlib import Path

from registry.atomic import parse_object
from registry.errors import RegistryError, failing_as
from registry.pointer import Event, Pointer, previous
from registry.storage import open_storage
from registry.version import MANIFEST, Version

CURRENT = "current.json"
HISTORY = "history"


class Reader:
    """The versions at one place; reading makes nothing.

    Args:
        place: A folder, or any URI that fsspec knows.
        lock_timeout_seconds: How long a writer waits for another one to end, where the storage has locks.
    """

    def __init__(self, place: Path | str, lock_timeout_seconds: float = 60.0) -> None:
        self.storage = open_storage(str(place), lock_timeout_seconds)
        self.place = self.storage.uri

    @property
    def root(self) -> Path:
        """The folder of a registry on a disk."""
        return Path(self.place)

    def current(self) -> Version | None:
        """The version that `current.json` names, None before the first push.

        Raises:
            RegistryError: The pointer or its version is damaged.
        """
        pointer = self.pointer()
        if pointer.version is None:
            return None
        version = self.version(pointer.version)
        if version.sha256 != pointer.sha256:
            raise RegistryError(
                f"{self._pointer_place} and the manifest of version {version.version} must name the same model; they "
                f"give sha256 {pointer.sha256} and {version.sha256}. One of them was edited: restore it from a copy."
            )
        return version

    def pointer(self) -> Pointer:
        """What `current.json` holds; an empty pointer before the first push.

        Raises:
            RegistryError: It is damaged.
        """
        with failing_as(f"read {self._pointer_place}"):
            try:
                content = self.storage.get(CURRENT)
            except FileNotFoundError:
                return Pointer()
        return Pointer.from_dict(parse_object(content, self._pointer_place), self._pointer_place)

    def versions(self) -> list[Version]:
        """All versions, oldest first.

        Raises:
            RegistryError: A manifest is damaged.
        """
        return [self.version(number) for number in self.numbers()]

    def numbers(self) -> list[int]:
        """The numbers of all versions, damaged ones included, oldest first.

        Raises:
            RegistryError: The registry cannot be read.
        """
        with failing_as(f"list {self.place}/versions"):
            return self.storage.numbers()

    def version(self, number: int) -> Version:
        """The version of a number.

        Raises:
            RegistryError: There is none, or its manifest is damaged.
        """
        with failing_as(f"read version {number} in {self.place}"):
            place = self.storage.place(number)
            try:
                content = self.storage.read(number, MANIFEST)
            except FileNotFoundError as error:
                raise RegistryError(
                    f"Version {number} must stand in {place} with a {MANIFEST}; there is none. "
                    "Restore the folder from a copy, or remove what is left of it and push again."
                ) from error
        manifest = parse_object(content, f"{place}/{MANIFEST}")
        if manifest.get("version") != number or not isinstance(manifest.get("sha256"), str):
            raise RegistryError(
                f"{place}/{MANIFEST} must hold version {number} and a sha256; it holds version "
                f"{manifest.get('version')!r} and sha256 {manifest.get('sha256')!r}. Restore it from a copy."
            )
        return Version(number, place, manifest["sha256"], manifest, self.storage)

    def history(self) -> list[Event]:
        """Everything that was done, oldest first.

        Raises:
            RegistryError: An event is damaged, or the registry cannot be read.
        """
        last = self.pointer().event
        with failing_as(f"read {self.place}/{HISTORY}"):
            texts = [self.storage.get(f"{HISTORY}/{name}") for name in self.storage.listed(HISTORY)]
        try:
            kept = [Event.from_dict(json.loads(text)) for text in texts]
        except (ValueError, TypeError, AttributeError) as error:
            raise RegistryError(
                f"{self.place}/{HISTORY} must hold one event in each file; reading them gave: {error}. Restore the "
                "damaged one from a copy, or remove it."
            ) from error
        # A writer that was killed may have left its event in the pointer alone.
        return sorted([*kept, *([last] if last and last not in kept else [])], key=lambda event: event.number)

    def previous(self) -> int | None:
        """The version that a rollback goes to; `None` when there is none."""
        return previous(self.history(), self.numbers())

    @property
    def _pointer_place(self) -> str:
        return f"{self.place}/{CURRENT}"

"""A version as readers see it, and where a push ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.errors import RegistryError, failing_as
from registry.storage import Storage, is_uri

MODEL = "model.tflite"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Version:
    """A complete version: its number, where it is, and what its manifest says."""

    version: int
    place: str
    sha256: str
    manifest: Mapping[str, Any]
    storage: Storage

    @property
    def path(self) -> Path:
        """Its folder, of a registry on a disk.

        Raises:
            RegistryError: It is on an object store.
        """
        if is_uri(self.place):
            raise RegistryError(
                f"Version {self.version} must lie in a folder; it lies at {self.place}: fetch it first."
            )
        return Path(self.place)

    @property
    def model_file(self) -> Path:
        """The TFLite file, of a registry on a disk."""
        return self.path / MODEL

    def names(self) -> list[str]:
        """Names of its files, sorted."""
        with failing_as(f"list {self.place}"):
            return self.storage.names(self.version)

    def read(self, name: str) -> bytes:
        """One of its files.

        Raises:
            RegistryError: There is no such file, or it cannot be read.
        """
        with failing_as(f"read {name} of version {self.version} in {self.place}"):
            return self.storage.read(self.version, name)

    def fetch(self, folder: Path) -> Path:
        """Copies all its files into a folder, which is made; returns the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.names():
            (folder / name).write_bytes(self.read(name))
        return folder


@dataclass(frozen=True)
class PushedVersion:
    """Where a push ended.

    Attributes:
        version: Its number.
        place: Its folder or URI.
        sha256: Of its model.
        created: False when an identical version stood there already.
        withdrawn: Whether the same model was rolled back from before, so that it was not made current.
    """

    version: int
    place: str
    sha256: str
    created: bool
    withdrawn: bool = False

    @property
    def path(self) -> Path:
        """Its folder, of a registry on a disk."""
        return Path(self.place)

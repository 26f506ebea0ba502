"""Numbered versions of one model in a folder, each complete or absent, and a pointer to the current one.

    ROOT/versions/<n>/model.tflite      with manifest.json and the extra files of the pusher
    ROOT/current.json                   {"version": n, "sha256": ..., "highest_version": ..., "updated_at": ...}

A push writes everything beside its place first, so that a full disk shows nothing; then two renames make it visible,
the pointer last. A process killed between the two leaves a complete version, which the next push points to.
"""

import gzip
import hashlib
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from registry.atomic import flush_folder, json_bytes, read_object, write_flushed
from registry.errors import RegistryError

MODEL = "model.tflite"
MANIFEST = "manifest.json"
_INCOMING = ".incoming-"
_NUMBER = re.compile(r"[1-9][0-9]*")


@dataclass(frozen=True)
class Version:
    """A complete version: its number, its folder, and what its manifest says."""

    version: int
    path: Path
    sha256: str
    manifest: Mapping[str, Any]

    @property
    def model_file(self) -> Path:
        """The TFLite file."""
        return self.path / MODEL


@dataclass(frozen=True)
class PushedVersion:
    """Where a push ended; `created` is False when an identical version stood there already."""

    version: int
    path: Path
    sha256: str
    created: bool


class Registry:
    """The versions under one folder; the first push makes the folder.

    Args:
        root: The folder of the registry.
        lock_timeout_seconds: How long a push waits for another one to end.
    """

    def __init__(self, root: Path, lock_timeout_seconds: float = 60.0) -> None:
        self.root = root
        self._versions = root / "versions"
        self._pointer = root / "current.json"
        self._lock_timeout_seconds = lock_timeout_seconds

    def current(self) -> Version | None:
        """The version that `current.json` names, None before the first push.

        Raises:
            RegistryError: The pointer or its version is damaged.
        """
        pointer = self._read_pointer()
        if pointer is None:
            return None
        version = self.version(pointer["version"])
        if version.sha256 != pointer["sha256"]:
            raise RegistryError(
                f"{self._pointer} and the manifest of version {version.version} must name the same model; they give "
                f"sha256 {pointer['sha256']} and {version.sha256}. One of them was edited: restore it from a copy."
            )
        return version

    def versions(self) -> list[Version]:
        """All versions, oldest first.

        Raises:
            RegistryError: A manifest is damaged.
        """
        return [self.version(number) for number in self.numbers()]

    def numbers(self) -> list[int]:
        """The numbers of all versions, damaged ones included, oldest first.

        Raises:
            RegistryError: The folder cannot be read.
        """
        with _failing_as(f"list {self._versions}"):
            if not self._versions.is_dir():
                return []
            return sorted(int(entry.name) for entry in self._versions.iterdir() if _NUMBER.fullmatch(entry.name))

    def version(self, number: int) -> Version:
        """The version of a number.

        Raises:
            RegistryError: There is none, or its manifest is damaged.
        """
        path = self._versions / str(number)
        try:
            manifest = read_object(path / MANIFEST)
        except FileNotFoundError as error:
            raise RegistryError(
                f"Version {number} must stand in {path} with a {MANIFEST}; there is none. "
                "Restore the folder from a copy, or remove what is left of it and push again."
            ) from error
        if manifest.get("version") != number or not isinstance(manifest.get("sha256"), str):
            raise RegistryError(
                f"{path / MANIFEST} must hold version {number} and a sha256; it holds version "
                f"{manifest.get('version')!r} and sha256 {manifest.get('sha256')!r}. Restore it from a copy."
            )
        return Version(number, path, manifest["sha256"], manifest)

    def push(
        self, model_file: Path, manifest: Mapping[str, Any], extra_files: Mapping[str, Path] | None = None
    ) -> PushedVersion:
        """Makes `model_file` the current version; pushing the same thing again makes no new one.

        The same thing is: the same bytes of the model and the same `manifest["identity"]`.

        Args:
            model_file: The TFLite file.
            manifest: JSON values; `identity` (a text that two runs with the same content share) is required. The
                registry adds version, sha256, size_bytes, gzip_bytes and pushed_at (UTC).
            extra_files: File name in the version's folder -> file to copy there.

        Raises:
            RegistryError: The manifest, a name or a file cannot be taken, another push does not end, or the folder
                cannot be written. No part of the new version is visible then.
        """
        extra_files = extra_files or {}
        identity = _identity(manifest)
        _check_names(extra_files)
        with _failing_as("read the files to push"):
            model = model_file.read_bytes()
            extras = {name: path.read_bytes() for name, path in extra_files.items()}
        with _failing_as(f"write {self.root}"), self._locked():
            self._remove_leftovers()
            found = self._find(hashlib.sha256(model).hexdigest(), identity)
            if found is None:
                return self._create(model, manifest, extras)
            self._repoint(found)
            return PushedVersion(found.version, found.path, found.sha256, created=False)

    def _create(self, model: bytes, manifest: Mapping[str, Any], extras: Mapping[str, bytes]) -> PushedVersion:
        number = self._highest() + 1
        facts = {
            "version": number,
            "sha256": hashlib.sha256(model).hexdigest(),
            "size_bytes": len(model),
            "gzip_bytes": len(gzip.compress(model, compresslevel=9, mtime=0)),
            "pushed_at": _now(),
        }
        files = {**extras, MODEL: model, MANIFEST: json_bytes({**manifest, **facts})}
        incoming, place = self._incoming(), self._versions / str(number)
        try:
            incoming.mkdir()
            for name, content in files.items():
                write_flushed(incoming / name, content)
            flush_folder(incoming)
            # Written before anything is visible, so that the two steps below need no more room on the disk.
            pointer = self._write_pointer(number, str(facts["sha256"]), highest=number)
            incoming.rename(place)
            flush_folder(self._versions)
            self._publish(pointer)
        finally:
            self._remove_leftovers()
        return PushedVersion(number, place, str(facts["sha256"]), created=True)

    def _find(self, sha256: str, identity: str) -> Version | None:
        for number in reversed(self.numbers()):
            try:
                version = self.version(number)
            except RegistryError:
                continue  # a damaged version is no reason to refuse a sound one
            same = version.sha256 == sha256 and version.manifest.get("identity") == identity
            if same and hashlib.sha256(version.model_file.read_bytes()).hexdigest() == sha256:
                return version
        return None

    def _repoint(self, version: Version) -> None:
        pointer = self._read_pointer()
        if pointer is None or (pointer["version"], pointer["sha256"]) != (version.version, version.sha256):
            try:
                self._publish(self._write_pointer(version.version, version.sha256, highest=self._highest()))
            finally:
                self._remove_leftovers()

    def _write_pointer(self, number: int, sha256: str, highest: int) -> Path:
        beside = self._incoming()
        content = {"version": number, "sha256": sha256, "highest_version": highest, "updated_at": _now()}
        write_flushed(beside, json_bytes(content))
        return beside

    def _publish(self, pointer: Path) -> None:
        pointer.replace(self._pointer)
        flush_folder(self.root)

    def _read_pointer(self) -> dict[str, Any] | None:
        try:
            pointer = read_object(self._pointer)
        except FileNotFoundError:
            return None
        for key, kind in (("version", int), ("sha256", str), ("highest_version", int)):
            if type(pointer.get(key)) is not kind:
                raise RegistryError(
                    f"{self._pointer} must hold {key} as {kind.__name__}; it holds {pointer.get(key)!r}. "
                    "Remove the file: the next push writes it anew."
                )
        return pointer

    def _highest(self) -> int:
        """The highest number ever given; the pointer remembers it for versions removed since."""
        pointer = self._read_pointer() or {}
        named = (int(pointer.get(key, 0)) for key in ("version", "highest_version"))
        return max(*named, *self.numbers())

    def _incoming(self) -> Path:
        return self._versions / f"{_INCOMING}{uuid.uuid4().hex}"

    def _remove_leftovers(self) -> None:
        """Removes what a killed push left; called under the lock, so that nobody is writing there now."""
        for entry in self._versions.glob(f"{_INCOMING}*"):
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._versions.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.root / ".lock", timeout=self._lock_timeout_seconds)
        try:
            lock.acquire()
        except Timeout as error:
            raise RegistryError(
                f"One push at a time can write {self.root}; another one has held {self.root / '.lock'} for "
                f"{self._lock_timeout_seconds:g} s. Wait until it has ended, or end it, and push again."
            ) from error
        try:
            yield
        finally:
            lock.release()


@contextmanager
def _failing_as(action: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RegistryError(
            f"The registry must be able to {action}; it gave: {error}. "
            "Check the path, free space or mend the permissions, and try again."
        ) from error


def _identity(manifest: Mapping[str, Any]) -> str:
    identity = manifest.get("identity")
    if not isinstance(identity, str) or not identity:
        raise RegistryError(
            "A manifest must hold `identity`, a text that two runs with the same content share; "
            f"it holds {identity!r}. Give a hash of what the model was made from."
        )
    return identity


def _check_names(extra_files: Mapping[str, Path]) -> None:
    for name in extra_files:
        if not name or Path(name).name != name or name.startswith(".") or name in (MODEL, MANIFEST):
            raise RegistryError(
                f"An extra file needs a plain name of its own that does not start with a dot; it is {name!r}. "
                "Choose another name."
            )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

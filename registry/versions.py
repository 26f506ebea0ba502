"""Numbered versions of one model, each complete or absent, and a pointer to the current one.

    ROOT/versions/<n>/model.tflite      with manifest.json and the extra files of the pusher
    ROOT/current.json                   the current version, and the last thing that was done
    ROOT/history/...                    everything that was done, a file each

A push makes a version visible first and the pointer follows. A process killed between the two leaves a complete
version, which the next push of the same model points to. How this is kept on a disk and on an object store:
`registry.storage`.
"""

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from registry.atomic import json_bytes
from registry.errors import RegistryError, failing_as
from registry.manifest import check_names, identity_of
from registry.pointer import Action, Event, Pointer, now, who
from registry.reading import CURRENT, HISTORY, Reader
from registry.signing import SIGNATURE, Sign
from registry.version import MANIFEST, MODEL, PushedVersion, Version

_TRIES = 20
"""Numbers that a push tries when others take them at the same time."""


class Registry(Reader):
    """The versions at one place; the first push makes it.

    Args:
        place: A folder, or any URI that fsspec knows.
        lock_timeout_seconds: How long a push waits for another one to end, where the storage has locks.
    """

    def push(
        self,
        model_file: Path,
        manifest: Mapping[str, Any],
        extra_files: Mapping[str, Path] | None = None,
        *,
        sign: Sign | None = None,
        keep: int | None = None,
    ) -> PushedVersion:
        """Makes `model_file` the current version; pushing the same thing again makes no new one.

        The same thing is: the same bytes of the model and the same `manifest["identity"]`. A model that somebody rolled
        back from does not become current again by a push: `promote` does that.

        Args:
            model_file: The TFLite file.
            manifest: JSON values; `identity` (a text that two runs with the same content share) is required. The
                registry adds version, sha256, size_bytes, gzip_bytes, the sha256 of all files, and pushed_at (UTC).
            extra_files: File name in the version's folder -> file to copy there.
            sign: Signs the manifest.
            keep: Remove older versions beyond so many, see `collect`; `None`: keep all.

        Raises:
            RegistryError: The manifest, a name or a file cannot be taken, another push does not end, or the registry
                cannot be written. No part of the new version is visible then.
        """
        extra_files = extra_files or {}
        identity = identity_of(manifest)
        check_names(extra_files)
        with failing_as("read the files to push"):
            model = model_file.read_bytes()
            extras = {name: path.read_bytes() for name, path in extra_files.items()}
        sha256 = hashlib.sha256(model).hexdigest()
        with self._writing():
            pointer, found = self.pointer(), self._find(sha256, identity)
            if sha256 in pointer.withdrawn:
                number = found.version if found else next(v.version for v in self.versions() if v.sha256 == sha256)
                return PushedVersion(number, self.storage.place(number), sha256, created=False, withdrawn=True)
            run_id = manifest.get("run_id")
            if found is None:
                made = self._create(model, manifest, extras, pointer, sign)
            else:
                if (pointer.version, pointer.sha256) != (found.version, sha256):
                    self._point(pointer, "push", found.version, sha256, run_id=run_id)
                made = PushedVersion(found.version, found.place, sha256, created=False)
            if keep is not None:
                self._collect(keep, "push.keep")
        return made

    def rollback(self, number: int | None = None, why: str = "") -> int:
        """Makes the version current that was so before, or the one that is named; a push of the same does not undo it.

        Raises:
            RegistryError: There is no version to go back to, or it is current already.
        """
        with self._writing():
            pointer = self.pointer()
            goal = number if number is not None else self.previous()
            if goal is None:
                raise RegistryError(
                    f"A rollback must have a version to go to; {self.place} holds none that was current before. "
                    "Name one, or promote one."
                )
            return self._move(pointer, "rollback", goal, why)

    def promote(self, number: int, why: str = "") -> int:
        """Makes any version current, one that was rolled back from included.

        Raises:
            RegistryError: There is no such version, or it is current already.
        """
        with self._writing():
            return self._move(self.pointer(), "promote", number, why)

    def collect(self, keep: int, why: str = "", *, dry_run: bool = False) -> tuple[int, ...]:
        """Removes all but the newest versions, never the current one nor the one that a rollback goes to.

        Args:
            keep: How many stay, at least 1.
            why: The reason, for the history.
            dry_run: Remove nothing.

        Returns:
            The versions that were removed, or would be.
        """
        if dry_run:
            return self._victims(keep)
        with self._writing():
            removed = self._collect(keep, why)
            self.storage.remove_leftovers()
        return removed

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Under the lock, after what a killed writer began has been brought to its end."""
        with failing_as(f"write {self.place}"), self.storage.locked():
            self._settle()
            yield

    def _settle(self) -> None:
        event = self.pointer().event
        if event is None:
            return
        self.storage.create(*_event_file(event))
        for number in set(event.removed) & set(self.storage.numbers()):
            self.storage.remove(number)

    def _create(
        self, model: bytes, manifest: Mapping[str, Any], extras: Mapping[str, bytes], before: Pointer, sign: Sign | None
    ) -> PushedVersion:
        sha256 = hashlib.sha256(model).hexdigest()
        first = self._highest(before) + 1
        for number in range(first, first + _TRIES):
            facts = {
                "version": number,
                "sha256": sha256,
                "size_bytes": len(model),
                "gzip_bytes": len(gzip.compress(model, compresslevel=9, mtime=0)),
                "files": {name: hashlib.sha256(content).hexdigest() for name, content in extras.items()},
                "pushed_at": now(),
            }
            text = json_bytes({**manifest, **facts})
            files = {**extras, MODEL: model, MANIFEST: text, **({SIGNATURE: sign(text)} if sign else {})}
            pointer = self._moved(before, "push", number, sha256, run_id=manifest.get("run_id"))
            try:
                self.storage.commit(number, files, dict(_pointer_files(pointer)))
            except FileExistsError:
                continue
            return PushedVersion(number, self.storage.place(number), sha256, created=True)
        raise RegistryError(
            f"A push must find a free number in {self.place}; others took {_TRIES} in a row at the same time. "
            "Push again."
        )

    def _find(self, sha256: str, identity: str) -> Version | None:
        for number in reversed(self.numbers()):
            try:
                version = self.version(number)
                same = version.sha256 == sha256 and version.manifest.get("identity") == identity
                if same and hashlib.sha256(version.read(MODEL)).hexdigest() == sha256:
                    return version
            except RegistryError:
                continue  # a damaged version is no reason to refuse a sound one
        return None

    def _move(self, before: Pointer, action: Action, number: int, why: str) -> int:
        if number == before.version:
            raise RegistryError(f"Version {number} must not be current already to be made so; it is. Name another one.")
        version = self.version(number)
        self._point(before, action, number, version.sha256, why=why)
        return number

    def _point(
        self, before: Pointer, action: Action, number: int, sha256: str, *, why: str = "", run_id: str | None = None
    ) -> None:
        for name, content in _pointer_files(self._moved(before, action, number, sha256, why=why, run_id=run_id)):
            self.storage.replace(name, content)

    def _moved(
        self,
        before: Pointer,
        action: Action,
        number: int | None,
        sha256: str,
        *,
        why: str = "",
        run_id: str | None = None,
        removed: tuple[int, ...] = (),
    ) -> Pointer:
        """The pointer that follows `before`."""
        turn = before.event.number + 1 if before.event else 1
        event = Event(turn, action, before.version, number, removed, why, who(), now(), run_id)
        withdrawn = set(before.withdrawn) - {sha256}
        if action == "rollback":
            withdrawn.add(before.sha256)
        highest = max(self._highest(before), number or 0)
        return replace(before, version=number, sha256=sha256, highest_version=highest, event=event).withdrawing(
            withdrawn
        )

    def _victims(self, keep: int) -> tuple[int, ...]:
        numbers = self.numbers()
        stay = {*numbers[-keep:], self.pointer().version, self.previous()}
        return tuple(number for number in numbers if number not in stay)

    def _collect(self, keep: int, why: str) -> tuple[int, ...]:
        victims = self._victims(keep)
        if victims:
            before = self.pointer()
            # Told first, so that what a killed writer leaves is removed by the next one.
            after = self._moved(before, "gc", before.version, before.sha256, why=why, removed=victims)
            for name, content in _pointer_files(after):
                self.storage.replace(name, content)
            for number in victims:
                self.storage.remove(number)
        return victims

    def _highest(self, pointer: Pointer) -> int:
        """The highest number ever given; the pointer remembers it for versions removed since."""
        return max(pointer.version or 0, pointer.highest_version, *self.storage.numbers(), 0)


def _pointer_files(pointer: Pointer) -> Iterator[tuple[str, bytes]]:
    """The pointer, and after it the event that it was written with."""
    yield CURRENT, json_bytes(pointer.to_dict())
    assert pointer.event is not None
    yield _event_file(pointer.event)


def _event_file(event: Event) -> tuple[str, bytes]:
    content = json_bytes(event.to_dict())
    # Two writers on an object store may give the same number; neither event must hide the other.
    return f"{HISTORY}/{event.number:08d}-{hashlib.sha256(content).hexdigest()[:8]}.json", content

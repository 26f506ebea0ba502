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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.atomic import json_bytes
from registry.errors import RegistryError, failing_as
from registry.manifest import check_names, identity_of
from registry.pointer import now
from registry.signing import SIGNATURE, Sign
from registry.storage import Outdated
from registry.version import MANIFEST, MODEL, PushedVersion, Version
from registry.writing import TRIES, Writer


class Registry(Writer):
    """The versions at one place; the first push makes it.

    Args:
        place: A folder, or any URI that fsspec knows.
        lock_timeout_seconds: How long a push waits for another one to end, where the storage has locks.
    """

    def push(
        self,
        model_file: Path,
        manifest: Mapping[str, Any],
        extra_files: Mapping[str, Path | bytes] | None = None,
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
            extra_files: File name in the version's folder -> file to copy there, or its content.
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
            extras = {name: _content(source) for name, source in extra_files.items()}
        with self._writing():
            made = self._push(model, manifest, extras, identity, sign)
            if keep is not None:
                self._collect(keep, "push.keep")
        return made

    def rollback(self, number: int | None = None, why: str = "") -> int:
        """Makes the version current that was so before, or the one that is named; a push of the same does not undo it.

        Raises:
            RegistryError: There is no version to go back to, or it is current already.
        """
        with self._writing():
            return self._move("rollback", number, why)

    def promote(self, number: int, why: str = "") -> int:
        """Makes any version current, one that was rolled back from included.

        Raises:
            RegistryError: There is no such version, or it is current already.
        """
        with self._writing():
            return self._move("promote", number, why)

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
            return self._victims(keep, self._state())
        with self._writing():
            removed = self._collect(keep, why)
            self.storage.remove_leftovers()
        return removed

    def _push(
        self, model: bytes, manifest: Mapping[str, Any], extras: Mapping[str, bytes], identity: str, sign: Sign | None
    ) -> PushedVersion:
        sha256, run_id = hashlib.sha256(model).hexdigest(), manifest.get("run_id")
        withdrawn = self._state().withdrawn.get(sha256)
        if withdrawn is not None:
            place = self.storage.place(withdrawn)
            return PushedVersion(withdrawn, place, sha256, created=False, withdrawn=True)
        found = self._find(sha256, identity, signed=sign is not None)
        if found is not None:
            self._make_current(found.version, sha256, run_id)
            return PushedVersion(found.version, found.place, sha256, created=False)
        number = self._create(model, manifest, extras, sign)
        return PushedVersion(number, self.storage.place(number), sha256, created=True)

    def _create(self, model: bytes, manifest: Mapping[str, Any], extras: Mapping[str, bytes], sign: Sign | None) -> int:
        """Makes a version of the next free number, and makes it current."""
        sha256, run_id = hashlib.sha256(model).hexdigest(), manifest.get("run_id")
        before = self._state()
        first = self._highest(before) + 1
        for number in range(first, first + TRIES):
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
            try:
                self.storage.commit(number, files, self._next(before, "push", number, sha256, run_id=run_id))
            except FileExistsError:
                continue
            except Outdated:
                self._make_current(number, sha256, run_id)
            return number
        raise RegistryError(
            f"A push must find a free number in {self.place}; others took {TRIES} in a row at the same time. "
            "Push again."
        )

    def _find(self, sha256: str, identity: str, *, signed: bool) -> Version | None:
        """The newest sound version of the same thing; a signed one when the push is signed."""
        for number in reversed(self.numbers()):
            try:
                version = self.version(number)
                same = version.sha256 == sha256 and version.manifest.get("identity") == identity
                if same and signed and SIGNATURE not in version.names():
                    continue
                if same and hashlib.sha256(version.read(MODEL)).hexdigest() == sha256:
                    return version
            except RegistryError:
                continue  # a damaged version is no reason to refuse a sound one
        return None


def _content(source: Path | bytes) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()

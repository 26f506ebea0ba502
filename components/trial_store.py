"""Finished trials as files, so that no search runs one again: written whole or not at all, one per point."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tfx.dsl.io import fileio

from compression.search.space import Point
from compression.search.trial import Trial


class TrialStore:
    """The trials of all searches that would give the same result at the same point.

    Args:
        folder: Folder or URI of all searches of a workspace.
        key: What the result of a trial depends on besides its point, as plain values. Budgets, algorithm and number of
            trials are no part of it: a search with others goes on from the same trials.
    """

    def __init__(self, folder: str, key: Mapping[str, Any]) -> None:
        self._folder = f"{folder}/{_sha256(key)[:16]}"

    def get(self, hparams: Point) -> Trial | None:
        """The trial at a point, if there was one."""
        path = self._path(hparams)
        if not fileio.exists(path):
            return None
        with fileio.open(path) as stream:
            return Trial.from_dict(json.loads(stream.read()))

    def put(self, trial: Trial) -> None:
        """Keeps a trial."""
        path = self._path(trial.hparams)
        fileio.makedirs(self._folder)
        with fileio.open(f"{path}.incoming", "w") as stream:
            stream.write(json.dumps(trial.to_dict(), allow_nan=False))
        fileio.rename(f"{path}.incoming", path, overwrite=True)

    def _path(self, hparams: Point) -> str:
        return f"{self._folder}/{_sha256(hparams)[:16]}.json"


def _sha256(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

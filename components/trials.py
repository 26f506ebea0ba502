"""The trials of a search: each run in a process of its own and kept as a file, so that no search runs one again."""

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tensorflow import keras
from tfx.dsl.io import fileio

from components.errors import InputError
from compression import isolation, keras_models
from compression.determinism import seed_everything
from compression.errors import CompressionError
from compression.search.space import Point
from compression.search.trial import Experiment, Status, Trial, judge, run_trial
from registry.remote import open_filesystem
from registry.storage import is_uri


class TrialStore:
    """The trials of all searches that would give the same result at the same point.

    Args:
        folder: Folder, or any URI that fsspec knows, of all searches of a workspace or a pipeline root.
        key: What the result of a trial depends on besides its point, as plain values. Budgets, algorithm and number of
            trials are no part of it: a search with others goes on from the same trials.
    """

    def __init__(self, folder: str, key: Mapping[str, Any]) -> None:
        self._folder = f"{folder}/{_sha256(key)[:16]}"

    def get(self, hparams: Point) -> Trial | None:
        """The trial at a point, if there was one."""
        path = self._path(hparams)
        if is_uri(path):
            files, key = open_filesystem(path)
            try:
                return Trial.from_dict(json.loads(files.cat_file(key)))
            except FileNotFoundError:
                return None
        if not fileio.exists(path):
            return None
        with fileio.open(path) as stream:
            return Trial.from_dict(json.loads(stream.read()))

    def put(self, trial: Trial) -> None:
        """Keeps a trial, whole or not at all."""
        path, text = self._path(trial.hparams), json.dumps(trial.to_dict(), allow_nan=False)
        if is_uri(path):
            # An object is there whole or not at all.
            files, key = open_filesystem(path)
            files.pipe_file(key, text.encode())
            return
        fileio.makedirs(self._folder)
        with fileio.open(f"{path}.incoming", "w") as stream:
            stream.write(text)
        fileio.rename(f"{path}.incoming", path, overwrite=True)

    def _path(self, hparams: Point) -> str:
        return f"{self._folder}/{_sha256(hparams)[:16]}.json"


@dataclass(frozen=True)
class Trials:
    """Runs trials, each in a process of its own: some architecture may be one that the converter crashes at.

    Attributes:
        build: A point to an untrained model that passed `check_model`.
        experiment: What all trials share.
        store: Keeps trials, and answers for them.
    """

    build: Callable[[Point], keras.Model]
    experiment: Experiment
    store: TrialStore

    def run(self, point: Point) -> Trial:
        """The trial at a point, from the store as far as that answers. A failure is a trial that failed.

        What is not the point's own fault, such as too little memory or time, is not kept: a search that is resumed
        tries again.
        """
        known = self.store.get(point)
        trial = judge(known, self.experiment.settings) if known else None
        if trial is None:
            begin = time.monotonic()
            trial, keep = self._run(point)
            trial = replace(trial, seconds=round(time.monotonic() - begin, 3))
            if not keep:
                return trial
        if trial != known:
            self.store.put(trial)
        return trial

    def _run(self, point: Point) -> tuple[Trial, bool]:
        """A trial, and whether another one would end alike."""
        limit = self.experiment.settings.time_limit_s
        with tempfile.TemporaryDirectory() as folder:
            seed_everything(self.experiment.seed)
            try:
                keras_models.save(self.build(point), folder)
            except (InputError, CompressionError) as error:
                return Trial(point, Status.FAILED, reason=str(error)), True
            try:
                return isolation.run(
                    run_trial,
                    folder,
                    point,
                    self.experiment,
                    time_limit_s=limit,
                    what="a trial",
                    section="model.search",
                ), True
            except CompressionError as error:
                return Trial(point, Status.FAILED, reason=str(error)), False
            except Exception as error:  # whatever the user's layers raise: the search goes on to other points
                return Trial(point, Status.FAILED, reason=f"{type(error).__name__}: {error}"), False


def _sha256(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

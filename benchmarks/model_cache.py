"""Trained models and files by what they were made of, so that a second run of a benchmark trains nothing."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tf_keras as keras

from benchmarks.results import FOLDER
from compression import keras_models
from pipeline.code_hash import code_sha256


class ModelCache:
    """A folder whose entries are named by a hash of their origin.

    Args:
        modules: Dotted names of modules whose code makes the entries; a change of them makes all anew.
        data: The file that all models are trained on.
    """

    def __init__(self, modules: tuple[str, ...], data: Path) -> None:
        self._origin = [code_sha256(*modules), hashlib.sha256(data.read_bytes()).hexdigest()]
        self._folder = FOLDER / "models"
        self._folder.mkdir(parents=True, exist_ok=True)

    def model(self, key: Any, make: Callable[[], keras.Model]) -> keras.Model:  # noqa: ANN401 - any JSON value
        """The Keras model of that key, made now when it does not exist."""
        path = self._path(key)
        if not path.exists():
            beside = path.with_suffix(".incoming")
            shutil.rmtree(beside, ignore_errors=True)
            keras_models.save(make(), beside)
            beside.rename(path)
        return keras_models.load(path)

    def file(self, key: Any, make: Callable[[], bytes]) -> bytes:  # noqa: ANN401
        """The TFLite file of that key, made now when it does not exist."""
        path = self._path(key).with_suffix(".tflite")
        if not path.exists():
            beside = path.with_suffix(".incoming")
            beside.write_bytes(make())
            beside.rename(path)
        return path.read_bytes()

    def _path(self, key: Any) -> Path:  # noqa: ANN401
        text = json.dumps([*self._origin, key], sort_keys=True)
        return self._folder / hashlib.sha256(text.encode()).hexdigest()[:32]

"""The world that the crash test breaks: one pipeline on real digits with changing data and settings, its registry."""

import hashlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from sklearn.datasets import load_digits

from pipeline.tfrecord import write_tfrecord

SPAN = 240
"""Digits of one span: few, because the test is about processes."""

NO_GATE = 0.9
"""A drop that any model stays below: what is tested is the push."""


class World:
    """A workspace, its configuration and its data.

    Args:
        folder: Holds all of it.
        seed: Of the choice of digits.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.workspace = folder / "workspace"
        self.config = folder / "chaos.yaml"
        self.registry = self.workspace / "registry"
        self._data = folder / "digits"
        self._random = random.Random(seed)
        self._digits = load_digits()
        self._spans = 0
        self._trainings = 0
        self._confidence = 0.9
        self._warm = False
        self.new_data()

    def new_data(self) -> None:
        """One more span of digits, which a training that begins anew sees."""
        self._spans += 1
        self._warm = False
        chosen = self._random.sample(range(len(self._digits.target)), SPAN)
        rows = [(self._digits.data[place], self._digits.target[place]) for place in chosen]
        path = self._data / f"span-{self._spans}" / "digits.tfrecord"
        path.parent.mkdir(parents=True)
        write_tfrecord(path, [{"image": list(map(int, image)), "label": [int(label)]} for image, label in rows])
        self._write()

    def new_training(self) -> None:
        """Another seed, and a start from the champion: everything from the training on is new."""
        self._trainings += 1
        self._warm = True
        self._write()

    def new_judgement(self) -> None:
        """Another confidence: the models are those of the newest span, but they are judged and pushed anew."""
        self._confidence += 0.0001
        self._warm = False
        self._write()

    def _write(self) -> None:
        warm_start = "champion" if self._warm else "none"
        content = {
            "name": "chaos",
            "seed": 1 + self._trainings * self._warm,
            "data": {
                "format": "tfrecord",
                "path": str(self._data / "span-{SPAN}"),
                "window": {"spans": 1},
                "label": "label",
                "splits": {"train": 6, "validation": 1, "eval": 3},
            },
            "model": {"module": "models.digits", "task": "multiclass", "hparams": {"filters": 4}},
            "train": {"epochs": 4, "batch_size": 16, "learning_rate": 0.004, "warm_start": warm_start},
            "variants": {"int8": [{"quantize": {"mode": "int8"}}]},
            "gate": {
                "metric": "accuracy",
                "max_drop": NO_GATE,
                "max_drop_vs_champion": NO_GATE,
                "confidence": round(self._confidence, 4),
            },
            "runtime": {"workspace": str(self.workspace)},
        }
        self.config.write_text(yaml.safe_dump(content, sort_keys=False))

    def current(self) -> int | None:
        """The number that `current.json` names."""
        pointer = self._pointer()
        return None if pointer is None else int(pointer["version"])

    def versions(self) -> list[int]:
        """Numbers of all versions, whole or not."""
        return sorted(int(path.name) for path in (self.registry / "versions").glob("[0-9]*"))

    def begun(self) -> list[Path]:
        """What stands beside versions, written by a push that did not end."""
        return list((self.registry / "versions").glob(".*"))

    def registry_faults(self) -> Iterator[str]:
        """What is torn, found without the registry's own code; every version counts, not the current one alone."""
        pointer = self._pointer()
        for number in self.versions():
            folder = self.registry / "versions" / str(number)
            try:
                manifest = json.loads((folder / "manifest.json").read_text())
                sha256 = hashlib.sha256((folder / "model.tflite").read_bytes()).hexdigest()
            except (OSError, ValueError) as error:
                yield f"version {number} is not whole: {error}"
                continue
            if (manifest.get("version"), manifest.get("sha256")) != (number, sha256):
                yield f"version {number} is not what its manifest says"
            if not (folder / "golden.npz").stat().st_size:
                yield f"version {number} has no golden pairs"
        if pointer is not None and pointer["version"] not in self.versions():
            yield f"current.json names version {pointer['version']}, which is not there"

    def _pointer(self) -> dict[str, Any] | None:
        path = self.registry / "current.json"
        return json.loads(path.read_text()) if path.exists() else None

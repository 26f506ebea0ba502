"""Real pipelines on real digits, kept small: what every integration test starts from."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import yaml

from compression.edge.golden import FLOAT_TOLERANCE, Golden
from pipeline import local, preflight
from pipeline.config import load
from pipeline.console import Console
from pipeline.datasets import fetch

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def digits(tmp_path_factory) -> Path:
    """A folder with the 1,797 digits as TFRecords."""
    folder = tmp_path_factory.mktemp("data") / "digits"
    fetch("digits", folder)
    return folder


@pytest.fixture(scope="session")
def make_config(digits):
    """`make_config(folder, **changes)` writes `folder/edge.yaml` and returns its path.

    A mapping changes some keys of its section, except for `variants`, which it replaces; None removes a key.
    The workspace is `folder/workspace`.
    """

    def make(folder: Path, **changes: object) -> Path:
        content = {
            "name": "small",
            "seed": 1,
            "data": {
                "format": "tfrecord",
                "path": str(digits),
                "label": "label",
                "splits": {"train": 6, "validation": 1, "eval": 3},
            },
            "model": {"module": "models.digits", "task": "multiclass", "hparams": {"filters": 4}},
            "train": {"epochs": 3, "batch_size": 16, "learning_rate": 0.004},
            "variants": {"int8": [{"quantize": {"mode": "int8"}}]},
            "gate": {"metric": "accuracy", "max_drop": 0.1},
            "runtime": {"workspace": str(folder / "workspace")},
        }
        for key, value in changes.items():
            merge = isinstance(value, Mapping) and key != "variants"
            section = {**content.get(key, {}), **value} if merge else value
            content[key] = {k: v for k, v in section.items() if v is not None} if merge else section
        path = folder / "edge.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in content.items() if v is not None}, sort_keys=False))
        return path

    return make


@pytest.fixture(scope="session")
def run_here():
    """`run_here(config_path, **request)` runs in this process, which pays for the imports once; returns `Finished`."""

    def run(config_path: Path, **request: object) -> local.Finished:
        config = load(config_path)
        preflight.check(config)
        return local.run(config, Console(quiet=True), local.Request(**request))

    return run


@pytest.fixture
def run_card(monkeypatch):
    """`run_card(folder)` executes the Python program of a version's card for every golden example; returns how many.

    The program itself proves the first one; its `[:1]` are moved on to the others.
    """

    def run(folder: Path) -> int:
        monkeypatch.chdir(folder)
        (code,) = re.findall(r"```python\n(.*?)```", (folder / "card.md").read_text(), flags=re.DOTALL)
        pairs = Golden.load(folder / "golden.npz")
        count = len(next(iter(pairs.inputs.values())))
        for row in range(count):
            said: dict = {}
            exec(compile(code.replace("[:1]", f"[{row}:{row + 1}]"), "card.md", "exec"), said)
            assert said["answer"].keys() == pairs.outputs.keys()
            for name, expected in pairs.outputs.items():
                atol = FLOAT_TOLERANCE * np.abs(expected).max() if expected.dtype.kind == "f" else 0
                np.testing.assert_allclose(said["answer"][name], expected[row : row + 1], rtol=0, atol=atol)
        return count

    return run


@pytest.fixture(scope="session")
def run_cli():
    """`run_cli(*args, **popen)` runs `python -m pipeline *args` in a process of its own; returns a CompletedProcess.

    The model module is also looked for in `cwd`; the packages are found wherever that is.
    """

    def run(*args: object, **popen: object) -> subprocess.CompletedProcess:
        return subprocess.run(command(*args), **{**surroundings(), "capture_output": True, "text": True, **popen})

    return run


@pytest.fixture(scope="session")
def start_cli():
    """Like `run_cli`, but returns the Popen of a command that is running."""

    def start(*args: object, **popen: object) -> subprocess.Popen:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command(*args), **{**surroundings(), **pipes, **popen})

    return start


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "pipeline", *map(str, args)]


def surroundings() -> dict[str, object]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {"cwd": ROOT, "env": {**os.environ, "PYTHONPATH": path}}

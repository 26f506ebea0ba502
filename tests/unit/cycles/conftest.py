import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from components.cycles.record import Record, Status
from pipeline.config import Config, load
from pipeline.cycles import once, owner
from pipeline.cycles.fingerprint import HashCache, take

CONFIG = """\
name: small
data: {{format: tfrecord, path: {folder}/data, label: label}}
model: {{module: cycled_model, task: multiclass}}
variants: {{int8: [quantize: {{mode: int8}}]}}
gate: {{metric: accuracy, max_drop: 0.1}}
runtime: {{workspace: {folder}/workspace}}
"""
MODEL = """\
def preprocessing_fn(inputs): ...
def build_model(hparams): ...
"""


class Project:
    """A configuration with data and a model module, whose cycles are written down without being run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "edge.yaml"
        self.data = folder / "data"
        self.workspace = folder / "workspace"
        self.module = folder / "cycled_model.py"
        self.data.mkdir()
        (self.data / "a.tfrecord").write_bytes(b"first")
        self.module.write_text(MODEL)
        self.configure()

    def configure(self, text: str = "") -> Config:
        self.path.write_text(CONFIG.format(folder=self.folder) + textwrap.dedent(text))
        return self.config

    @property
    def config(self) -> Config:
        return load(self.path)

    @property
    def records(self):
        return once.records_of(self.config)

    def fingerprint(self):
        return take(self.config, HashCache(self.workspace / "no-cache.json"))

    def ended(self, number=1, status=Status.PUSHED, **facts) -> Record:
        """A cycle on everything as it is now."""
        record = Record(
            number=number,
            status=Status.RUNNING,
            reasons=("there was no cycle before",),
            fingerprint=self.fingerprint(),
            run_id=f"run-{number}",
            process=owner.this_process(),
            started_at="2026-11-22T17:00:00+00:00",
        )
        if status is Status.PUSHED:
            facts = {"pushed_version": number} | facts
        record = replace(record, status=status, **facts)
        self.records.write(record)
        return record

    def decide(self, *, forced=False):
        return once.look(self.config, self.records.all(), forced=forced)[0]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Project(tmp_path)
    from pipeline.code_hash import _source

    _source.cache_clear()

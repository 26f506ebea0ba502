"""Workspaces with a past, made of summaries and a registry and of no runs."""

import copy
import json
import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.cycles.record import Record, Status
from pipeline.config import load
from pipeline.cycles.fingerprint import Fingerprint
from pipeline.processes import this_process
from registry import Registry

SMALL = json.loads((Path(__file__).parents[1] / "pipeline" / "summaries" / "small.json").read_text())
CONFIG = """\
name: digits
data: {{format: tfrecord, path: {folder}/data, label: label}}
model: {{module: models.digits, task: multiclass}}
variants: {{int8: [quantize: {{mode: int8}}]}}
gate: {{metric: accuracy, max_drop: 0.1}}
runtime: {{workspace: {folder}/workspace}}
"""
BEGIN = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


class World:
    """A workspace whose runs are written down without being run."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "workspace"
        self.registry = Registry(self.root / "registry")
        self.file = folder / "digits.yaml"
        folder.mkdir(parents=True, exist_ok=True)
        self.file.write_text(CONFIG.format(folder=folder))
        self.config = load(self.file, {})

    def summary(self, number: int, **changes: object) -> dict:
        """That of the run `number`, two days after the one before; it blocks every variant when nothing is changed."""
        summary = copy.deepcopy(SMALL)
        at = BEGIN + timedelta(days=2 * number, minutes=7 * (number % 5))
        run_id = f"{at:%Y%m%d-%H%M%S}-{number:04x}"
        summary |= {
            "run_id": run_id,
            "name": "digits",
            "started_at": at.isoformat(),
            "finished_at": (at + timedelta(seconds=40 + number % 30)).isoformat(),
            "status": "blocked",
            "selected": None,
            "pushed": None,
            "spans": [{"span": number, "name": str(number), "version": None, "files": 1, "examples": {}}],
        }
        wave = math.sin(number / 9) / 100
        summary["baseline"] |= {"value": round(0.955 + wave, 4), "gzip_bytes": 15_100 + number % 7 * 11}
        for index, variant in enumerate(summary["variants"]):
            drop = 0.004 * index + (number * 7919 % 100) / 20_000
            size = 6_000 + 40 * index + number * 3
            variant |= {"value": round(0.955 + wave - drop, 4), "drop": drop, "gzip_bytes": size, "status": "blocked"}
            variant |= {"reasons": ["accuracy may drop by at most 0.01; it drops by 0.02"], "size_bytes": size + 3_500}
            variant["latency_ms"] |= {"p50": 0.0012 + (number * 31 % 17) / 40_000}
        distance = round(0.02 + abs(math.sin(number / 5)) / 12, 4)
        summary["data"]["drift"] = {
            "distance": distance,
            "feature": "image",
            "features": {"image": distance},
            "against": f"span {number} against span {number - 1}",
            "notice": 0.08,
            "stop": None,
            "noticed": distance > 0.08,
            "stopped": False,
        }
        return summary | changes

    def write(self, summary: dict) -> Path:
        """Writes it where a run would; returns the folder of the run."""
        folder = self.root / "runs" / summary["run_id"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "summary.json").write_text(json.dumps(summary))
        return folder

    def run(self, number: int, **changes: object) -> Path:
        """A run that pushed nothing."""
        return self.write(self.summary(number, **changes))

    def push(self, number: int) -> Path:
        """A run that pushed a version."""
        summary = self.summary(number, status="pushed")
        chosen = summary["variants"][0]
        chosen |= {"status": "passed", "reasons": []}
        measured = {name: chosen[name] for name in ("drop", "drop_ci")} | {"candidate": chosen["value"]}
        manifest = {
            "identity": str(number),
            "run_id": summary["run_id"],
            "variant": chosen["name"],
            "gate": {"metrics": {"accuracy": measured}},
            "edge": {"latency": {"p50_ms": chosen["latency_ms"]["p50"]}},
        }
        model = self.root / "model.tflite"
        model.parent.mkdir(parents=True, exist_ok=True)
        model.write_bytes(b"TFL3" + random.Random(number).randbytes(6_000 + number) + bytes([number % 256]) * 3_000)
        pushed = self.registry.push(model, manifest)
        summary["selected"] = chosen["name"]
        summary["pushed"] = {"version": pushed.version, "path": pushed.place, "sha256": pushed.sha256}
        return self.write(summary)


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path)


@pytest.fixture
def record():
    """`record(run_id, status, number)` is a cycle that this process ran."""

    def make(run_id: str, status: Status = Status.PUSHED, number: int = 1, **more: object) -> Record:
        none = Fingerprint((), {}, "", {}, {})
        begun = "2026-03-02T06:00:00+00:00"
        return Record(number, status, ("span 1 is new",), none, run_id, this_process(), begun, **more)

    return make

"""The short form of the crash test: `make chaos` kills sixty times."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
KILLS = 4


def test_whatever_is_killed_the_registry_is_whole_and_the_next_cycle_completes(tmp_path, monkeypatch):
    monkeypatch.setenv("KILLS", str(KILLS))
    monkeypatch.setenv("FOLDER", str(tmp_path / "world"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-m", "benchmarks.chaos"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert ended.returncode == 0, ended.stdout + ended.stderr[-2000:]
    found = json.loads((tmp_path / ".bench" / "chaos.json").read_text())
    kills = [kill for row in found["rows"] for kill in row["all"]]
    assert (len(kills), [kill["faults"] for kill in kills]) == (KILLS, [[]] * KILLS)
    assert {"push", "close"} & {kill["phase"] for kill in kills}
    # Every one was a kill: the records of the cycles say so, and a cycle that completed came after each.
    records = [json.loads(path.read_text()) for path in (tmp_path / "world/workspace/cycles").glob("[0-9]*.json")]
    ordered = [record["status"] for record in sorted(records, key=lambda record: record["number"])]
    assert ordered[-1] == "pushed"
    assert ordered.count("killed") <= KILLS < len(ordered)

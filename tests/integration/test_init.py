"""`init` on real data: what it writes runs as it stands, and a variant passes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", ["images", "vectors"])
def test_it_runs_as_it_stands(tmp_path, digits, kind):
    data = digits
    if kind == "vectors":
        found = load_digits()
        data = tmp_path / "pixels.npz"
        np.savez(data, upper=found.data[:, :32].astype("f4"), lower=found.data[:, 32:].astype("f4"), label=found.target)

    def command(*argv):
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-m", "pipeline", *argv], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    command("init", "--data", str(data), "--label", "label", "--task", "multiclass", "--name", "mine")
    # Shorter than what it writes for people: this test is about whether everything fits together.
    path = tmp_path / "configs" / "mine.yaml"
    text = path.read_text()
    assert "epochs: 30" in text
    kept = [line for line in text.splitlines() if not line.startswith(("  float16:", "  pruned_int8:"))]
    assert len(kept) == len(text.splitlines()) - 2
    path.write_text("\n".join(kept).replace("epochs: 30", "epochs: 8") + "\n")
    summary = json.loads(command("run", "configs/mine.yaml", "--json"))
    assert summary["status"] == "pushed"
    assert summary["baseline"]["value"] > 0.8

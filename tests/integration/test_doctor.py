"""The doctor on the environment that the tests run in."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.integration


def test_this_environment_works_and_a_wrong_flag_is_told():
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "0"}
    command_line = [sys.executable, "-m", "pipeline", "doctor", "--json"]
    done = subprocess.run(command_line, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 1, done.stderr
    assert checks["Legacy Keras"]["status"] == "fault"
    assert checks["TFX components"]["status"] == "ok"
    assert checks["Beam runner"]["status"] == "ok"
    assert checks["LiteRT"]["status"] == "ok"
    assert done.stderr == ""

"""The pipeline in docs/components.md runs as it stands there."""

import re
from pathlib import Path

import pytest

from compression.audit import audit

pytestmark = pytest.mark.integration

PAGE = Path(__file__).resolve().parents[2] / "docs" / "components.md"


def test_hand_written_pipeline_runs(tmp_path, digits):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    # ImportExampleGen takes every file of the folder; the note beside the data is none of them.
    data = tmp_path / "data"
    data.mkdir()
    for path in (path for path in digits.iterdir() if not path.name.startswith("_")):
        (data / path.name).write_bytes(path.read_bytes())
    exec(compile(code, str(PAGE), "exec"), {"DATA": str(data), "ROOT": str(tmp_path)})
    (model,) = tmp_path.glob("Quantize/compressed/*/Format-Serving/tflite")
    found = audit(model.read_bytes())
    assert found.sparsity == pytest.approx(0.8, abs=0.02)
    assert found.float_operators == ()

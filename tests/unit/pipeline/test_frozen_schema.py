"""A frozen schema that somebody broke is named with its place, before anything runs."""

import pytest

from pipeline import frozen_schema
from pipeline.config import load
from pipeline.errors import UserError


def test_a_broken_frozen_schema_is_named_with_its_place(tmp_path):
    path = tmp_path / "edge.yaml"
    path.write_text(
        "name: x\ndata: {format: tfrecord, path: 'data/{SPAN}', label: label}\n"
        "model: {module: m, task: multiclass}\nvariants: {int8: [quantize: {mode: int8}]}\n"
        f"gate: {{metric: accuracy, max_drop: 0.1}}\nruntime: {{workspace: {tmp_path}}}\n"
    )
    config = load(path)
    frozen_schema.write(config, 'feature { name: "label" type: INT }', "")
    assert "type: INT" in frozen_schema.read(config)
    (tmp_path / "schema.pbtxt").write_text('feature { name: "label" type: NOPE')
    with pytest.raises(UserError, match=r"schema.pbtxt must be a schema in text form"):
        frozen_schema.read(config)

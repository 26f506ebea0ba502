import textwrap
from pathlib import Path

import pytest

from pipeline.config import Config, load
from pipeline.errors import UserError

BASE = """\
name: digits
seed: 1
data:
  format: tfrecord
  path: data/digits
  label: label
  splits: {train: 6, validation: 1, eval: 3}
model:
  module: models.digits
  task: multiclass
  hparams: {filters: 16}
train: {epochs: 20, batch_size: 64}
variants:
  int8: [quantize: {mode: int8}]
  pruned: [prune: {sparsity: 0.8}, quantize: {mode: int8}]
gate:
  metric: accuracy
  max_drop: 0.03
select: smallest
runtime: {workspace: .edge/digits}
"""


class ConfigFiles:
    """Writes configurations and loads them."""

    base = BASE

    def __init__(self, folder: Path) -> None:
        self.path = folder / "edge.yaml"

    def load(self, text: str | bytes, **overrides: object) -> Config:
        content = text if isinstance(text, bytes) else text.encode()
        self.path.write_bytes(content)
        return load(self.path, overrides)

    def faults(self, text: str | bytes) -> list[str]:
        """The faults as `LINE: key.path: message`."""
        with pytest.raises(UserError) as caught:
            self.load(text)
        return [line.removeprefix(f"{self.path}:") for line in str(caught.value).splitlines()]

    def changed(self, old: str, new: str) -> tuple[str, int]:
        """The base with one line replaced, and the number of that line."""
        rows = BASE.splitlines()
        (index,) = [i for i, row in enumerate(rows) if row.strip() == old]
        indent = rows[index][: len(rows[index]) - len(rows[index].lstrip())]
        rows[index] = textwrap.indent(new, indent)
        return "\n".join(rows) + "\n", index + 1


@pytest.fixture
def configs(tmp_path):
    return ConfigFiles(tmp_path)

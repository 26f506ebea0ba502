"""The systemd unit in docs/cycles.md is one, and what it starts is a command line that exists."""

import configparser
import re
from pathlib import Path

from pipeline.cli import parse
from pipeline.config.cycle import CycleSection

ROOT = Path(__file__).resolve().parents[3]


def test_the_unit_of_the_documentation():
    (text,) = re.findall(r"```ini\n(.*?)```", (ROOT / "docs" / "cycles.md").read_text(), flags=re.DOTALL)
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str
    unit.read_string(text)
    program, *arguments = unit["Service"]["ExecStart"].split()
    assert program.endswith("/tfx-edge")
    args = parse(arguments)
    assert args.watch
    assert (ROOT / args.config).exists()
    assert float(unit["Service"]["TimeoutStopSec"]) > CycleSection().stop_seconds
    assert unit["Service"]["KillMode"] == "mixed"

"""What the tests of failing runs share: a command in this process, a workspace that has run once, checks of both."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import pytest

from pipeline import cli
from registry import Registry

SCHEMA = json.loads((Path(cli.__file__).parent / "summary_schema.json").read_text())
DETAILS_SCHEMA = json.loads((Path(cli.__file__).parents[1] / "report" / "details_schema.json").read_text())


@dataclass(frozen=True)
class Ended:
    """A command that ended: its exit code and the two things that people or programs read."""

    code: int
    out: str
    err: str

    def __post_init__(self):
        assert "Traceback" not in self.err, self.err
        assert "this is a bug" not in self.err, self.err

    @property
    def result(self) -> dict:
        """The one JSON object on standard output; a summary among them keeps its schema."""
        value = json.loads(self.out)
        if "error" not in value:
            jsonschema.validate(value, SCHEMA)
        return value

    @property
    def nodes(self) -> dict[str, str]:
        return {node["id"]: node["status"] for node in self.result["nodes"]}

    def variant(self, name: str) -> dict:
        return next(variant for variant in self.result["variants"] if variant["name"] == name)


@pytest.fixture
def call(capfd):
    """`call(*args)` runs a command in this process, as `python -m pipeline` would."""

    def call(*args: object) -> Ended:
        with (
            open(1, "w", buffering=1, closefd=False) as out,
            open(2, "w", buffering=1, closefd=False) as err,
            pytest.MonkeyPatch.context() as patch,
        ):
            # pytest's own streams do not follow the file descriptors, which a run redirects.
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            capfd.readouterr()
            code = cli.main([str(arg) for arg in args])
            captured = capfd.readouterr()
        return Ended(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def as_ended():
    """`as_ended(process)` of a completed process."""
    return lambda process: Ended(process.returncode, process.stdout, process.stderr)


@pytest.fixture(scope="session")
def trained(tmp_path_factory, make_config, run_here) -> Path:
    """A workspace in which one run has pushed version 1 of variant int8."""
    folder = tmp_path_factory.mktemp("trained")
    assert run_here(make_config(folder)).summary["status"] == "pushed"
    return folder / "workspace"


@pytest.fixture(scope="session")
def pushed():
    """`pushed(workspace)`: number -> sha256 of all versions, each complete, with nothing else beside them."""

    def read(workspace: Path) -> dict[int, str]:
        root = workspace / "registry"
        if not root.exists():
            return {}
        versions = {version.version: version.sha256 for version in Registry(root).versions()}
        places = sorted(path.name for path in (root / "versions").iterdir())
        assert places == sorted(map(str, versions))
        current = Registry(root).current()
        assert current is None or current.version in versions
        return versions

    return read


@pytest.fixture(scope="session")
def last_summary():
    """`last_summary(workspace)`: what the latest run left, which keeps the schema."""

    def read(workspace: Path) -> dict:
        path = max((workspace / "runs").glob("*/summary.json"))
        summary = json.loads(path.read_text())
        jsonschema.validate(summary, SCHEMA)
        return summary

    return read


@pytest.fixture(scope="session")
def last_details():
    """`last_details(workspace)`: what lies beside the latest summary, which keeps its schema."""

    def read(workspace: Path) -> dict:
        path = max((workspace / "runs").glob("*/summary.json")).with_name("details.json")
        details = json.loads(path.read_text())
        jsonschema.validate(details, DETAILS_SCHEMA)
        return details

    return read

"""`python -m kubeflow`: the same manners as the other command line."""

import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from kubeflow.__main__ import KUBEFLOW
from kubeflow.package import Package
from pipeline import cli

REPOSITORY = Path(__file__).parents[3]
DIGITS = str(REPOSITORY / "configs" / "digits_kubeflow.yaml")


@pytest.fixture
def call(capsys, monkeypatch):
    monkeypatch.chdir(REPOSITORY)

    def run(*argv):
        code = cli.main(list(argv), KUBEFLOW)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def compiles_to(monkeypatch, package):
    """Replaces the compiler, which needs TFX, by one that gives a small package, damaged or not."""

    def install(damage=lambda pipeline: None):
        damage(package.pipeline)
        module = types.ModuleType("kubeflow.compile")
        module.compile_package = lambda config: package
        monkeypatch.setitem(sys.modules, "kubeflow.compile", module)
        return package

    return install


@pytest.mark.parametrize("name", KUBEFLOW.commands)
def test_the_table_repeats_the_help_of_every_command(name):
    command = KUBEFLOW.commands[name]
    module = __import__(command.module, fromlist=["HELP"])
    assert command.help == module.HELP


def test_usage_errors(call):
    assert call() == (2, "", "a command must be given (compile), got none; see python -m kubeflow --help\n")
    assert call("compil", DIGITS)[2] == "the command must be one of compile, got compil; did you mean compile?\n"
    code, out, err = call("compile", DIGITS, "-o", "package.json")
    assert (code, out) == (2, "")
    assert err == "--output must end in .yaml or .yml, got package.json; Kubeflow goes by the name\n"


def test_help_and_refusals_need_no_tfx():
    program = (
        "import sys\nfrom kubeflow.__main__ import KUBEFLOW\nfrom pipeline.cli import main\n"
        "code = main(sys.argv[1:], KUBEFLOW)\n"
        "heavy = sorted({name.split('.')[0] for name in sys.modules} & {'tensorflow', 'tfx', 'numpy', 'kfp'})\n"
        "sys.stderr.write(f'code {code} heavy {heavy}')"
    )
    plain = str(REPOSITORY / "configs" / "digits.yaml")
    for argv, code in ((["--help"], 0), (["compile", "--help"], 0), (["compile", plain], 2)):
        done = subprocess.run(
            [sys.executable, "-c", program, *argv], cwd=REPOSITORY, env=os.environ, capture_output=True, text=True
        )
        assert done.stderr.endswith(f"code {code} heavy []")


def test_compile_writes_the_package(call, compiles_to, tmp_path):
    package = compiles_to()
    code, out, err = call("compile", DIGITS)
    assert (code, err) == (0, "")
    assert Package.from_text(out) == package
    file = tmp_path / "digits.yaml"
    assert call("compile", DIGITS, "-o", str(file)) == (0, f"wrote {file}\n", "")
    assert file.read_text() == package.to_yaml()
    code, out, err = call("compile", DIGITS, "-o", str(tmp_path / "none" / "digits.yaml"))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.endswith("must be writable, got: No such file or directory\n")


def test_compile_as_json(call, compiles_to, tmp_path):
    package = compiles_to()
    result = json.loads(call("compile", DIGITS, "--json")[1])
    assert (result["name"], result["package"]) == ("small", package.to_yaml())
    file = str(tmp_path / "digits.yaml")
    result = json.loads(call("compile", DIGITS, "--json", "-o", file)[1])
    assert result["written"] == file
    assert "ingest" in result["tasks"]


def test_check_shows_every_rule(call, compiles_to):
    compiles_to()
    code, out, _ = call("compile", DIGITS, "--check")
    assert code == 0
    lines = out.splitlines()
    assert len(lines) == 23
    assert all(line.startswith("kept  ") and "  or else: " in line for line in lines)


@pytest.mark.parametrize("option", [[], ["--check"]])
def test_a_package_that_breaks_a_rule_is_not_written(call, compiles_to, tmp_path, option):
    compiles_to(lambda pipeline: pipeline.pop("defaultPipelineRoot"))
    file = tmp_path / "digits.yaml"
    code, out, err = call("compile", DIGITS, "-o", str(file), *option)
    assert code == 1
    assert err == "pipeline-root: defaultPipelineRoot must be on s3://, minio:// or gs://, got nothing\n"
    assert not file.exists()
    assert [line.split()[1] for line in out.splitlines() if line.startswith("broken")] == ["pipeline-root"] * len(
        option
    )


def test_warnings_come_before(call, compiles_to, tmp_path):
    compiles_to()
    path = tmp_path / "edge.yaml"
    path.write_text(Path(DIGITS).read_text() + "hooks: {failed: [{command: [echo]}]}\n")
    code, _, err = call("compile", str(path), "--quiet")
    assert code == 0
    assert err.startswith("warning: ")
    assert "hooks are called by local runs alone" in err

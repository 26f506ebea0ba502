"""Completion, asked in real shells."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline import cli

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def complete(capsys, tmp_path):
    """`complete(*words)`: what bash offers for the last of them, in the repository."""
    assert cli.main(["completion", "bash"]) == 0
    script = tmp_path / "completion.bash"
    script.write_text(capsys.readouterr().out)

    def ask(*words):
        line = (
            f'source {script}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _tfx_edge; printf "%s\\n" "${{COMPREPLY[@]}}"'
        )
        done = subprocess.run(
            ["bash", "--norc", "-c", line, "bash", "tfx-edge", *words],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.split()

    return ask


def test_commands_and_options(complete):
    assert complete("") == list(cli.COMMANDS)
    assert complete("va") == ["validate"]
    assert complete("--quiet", "va") == ["validate"]
    assert complete("run", "--fail") == ["--fail-on-blocked"]
    assert {"--from", "--no-cache", "--workspace", "--json"} <= set(complete("run", "configs/digits.yaml", "--"))
    assert complete("completion", "f") == ["fish"]
    assert complete("data", "fetch", "fashion") == ["fashion-mnist"]


def test_configurations_and_variants(complete):
    found = complete("run", "configs/dig")
    assert {"configs/digits.yaml", "configs/digits_search.yaml"} <= set(found)
    assert complete("run", "pyproj") == []
    variants = complete("explain", "configs/digits.yaml", "")
    assert variants == ["float16", "int8", "pruned_int8", "qat_int8", "pqat_int8"]
    assert complete("explain", "configs/digits.yaml", "p") == ["pruned_int8", "pqat_int8"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_take_their_script(shell, capsys):
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "explain" in script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: its script was written, not read")
    subprocess.run([shell, "-n", "/dev/stdin"], input=script, text=True, check=True)

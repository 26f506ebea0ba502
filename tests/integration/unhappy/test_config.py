"""Configurations that cannot be run: the command says so once and starts nothing. Unit tests hold the wording."""

import pytest
import yaml

from pipeline.config import load
from pipeline.errors import UserError

pytestmark = pytest.mark.integration

CASES = {
    "wrong key": {"train": {"epoch": 3}},
    "wrong type": {"train": {"epochs": "many"}},
    "unknown step": {"variants": {"int8": [{"shrink": {}}, {"quantize": {"mode": "int8"}}]}},
    "missing data folder": {"data": {"path": "nowhere"}},
    "empty folder": {"data": {"path": "empty"}},
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_configuration_is_refused(name, tmp_path, make_config, run_cli, as_ended):
    (tmp_path / "empty").mkdir()
    config = make_config(tmp_path, **CASES[name])
    refused(as_ended(run_cli("run", config, "--json", cwd=tmp_path)), config)
    assert not (tmp_path / "workspace").exists()


def test_duplicate_key_is_refused(tmp_path, make_config, run_cli, as_ended):
    config = make_config(tmp_path)
    config.write_text(config.read_text() + "seed: 2\n")
    assert yaml.safe_load(config.read_text())["seed"] == 2  # a plain reader drops the first one without a word
    with pytest.raises(UserError):
        load(config)
    refused(as_ended(run_cli("run", config, "--json", cwd=tmp_path)), config)


def refused(ended, config):
    assert ended.code == ended.result["error"]["exit_code"] == 2
    assert ended.err.startswith(f"{config}:")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("option", ["--from", "--to", "--no-cache"])
def test_unknown_node_is_refused(option, tmp_path, make_config, call):
    ended = call("run", make_config(tmp_path), option, "trainee", "--json")
    assert ended.code == ended.result["error"]["exit_code"] == 2
    assert "a node must be one of ingest, " in ended.err
    assert "'trainee'" in ended.err
    assert ended.err.count("\n") == 1
    assert not list((tmp_path / "workspace/runs").iterdir())

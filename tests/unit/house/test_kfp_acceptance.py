"""`make test-kfp` as far as it goes without Go: what it asks for, and that each breakage breaks something else."""

import copy
import importlib.util
import os
import re
import stat
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = [
    {
        "schemaVersion": "2.1.0",
        "pipelineInfo": {"name": "digits"},
        "components": {"ingest": {}, "push": {}},
        "root": {"inputDefinitions": {}, "dag": {"tasks": {"ingest": {}, "push": {"dependentTasks": ["ingest"]}}}},
    },
    {"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"ingest_executor": {"secretAsEnv": []}}}}}},
]


@pytest.fixture
def script(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("kfp_acceptance", ROOT / "scripts" / "kfp_acceptance.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    return module


def executable(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_without_go_it_names_the_one_command(script, tmp_path):
    with pytest.raises(SystemExit) as caught:
        script.build({"PATH": str(tmp_path)})
    assert re.fullmatch(
        r"Go must be installed \(\S+ or newer\), got none: apt-get install -y golang-go", str(caught.value)
    )


def test_a_build_that_fails_points_at_the_page(script, tmp_path):
    executable(tmp_path / "go", "exit 1")
    with pytest.raises(SystemExit) as caught:
        script.build({"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert "docs/kubeflow-acceptance.md" in str(caught.value)


def test_the_build_leaves_the_tree_alone(script, tmp_path):
    executable(tmp_path / "go", "echo changed >> go.sum; touch ../kfp_acceptance")
    before = (script.SOURCE / "go.sum").read_bytes()
    assert script.build({"PATH": f"{tmp_path}:{os.environ['PATH']}"}) == tmp_path / "kfp_acceptance"
    assert (script.SOURCE / "go.sum").read_bytes() == before


def test_each_breakage_breaks_the_package_in_its_own_way(script):
    broken = []
    for change in script.breakages().values():
        documents = copy.deepcopy(PACKAGE)
        change(documents)
        assert documents != PACKAGE
        broken.append(yaml.safe_dump_all(documents))
    assert len(set(broken)) == len(broken)


@pytest.mark.parametrize(("tasks", "faults"), [(["ingest", "push"], 0), (["ingest"], 1), ([], 2)])
def test_a_task_that_got_lost_is_seen(script, tmp_path, tasks, faults):
    package = tmp_path / "package.yaml"
    package.write_text(yaml.safe_dump_all(PACKAGE))
    planned = [{"name": name} for task in tasks for name in (task, f"{task}-driver")]
    workflow = {"spec": {"templates": [{"name": "root", "dag": {"tasks": planned}}, {"name": "container"}]}}
    assert len(list(script.faults_of(yaml.safe_dump(workflow), package))) == faults


def test_what_is_refused_fails_and_what_is_broken_must_be_refused(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(script, "ROOT", tmp_path)
    (tmp_path / "kubeflow").mkdir()
    (tmp_path / "kubeflow" / "__main__.py").write_text(
        f"import pathlib, sys\npathlib.Path(sys.argv[-1]).write_text({yaml.safe_dump_all(PACKAGE)!r})\n"
    )
    planned = [{"name": name} for task in ("ingest", "push") for name in (task, f"{task}-driver")]
    workflow = yaml.safe_dump({"spec": {"templates": [{"dag": {"tasks": planned}}]}})
    takes_all = executable(tmp_path / "takes-all", f"cat <<'END'\n{workflow}END")
    assert len(script.check_package(takes_all, "x.yaml")) == len(script.breakages())
    refuses_all = executable(tmp_path / "refuses-all", "echo no >&2; exit 1")
    assert script.check_package(refuses_all, "x.yaml") == ["x.yaml: no"]
    assert "TAKEN   no root" in capsys.readouterr().out


def test_a_cron_that_the_scheduler_refuses_fails(script, tmp_path):
    rows = script.CRONS.read_text().splitlines()
    accepted = sum(row.endswith("\taccepted") for row in rows)
    none = executable(tmp_path / "none", """while read -r line; do echo '{"accepted": false}'; done""")
    assert len(script.check_crons(none)) == accepted > 0

"""What gets the job server: its artifacts, or one message that says what is missing."""

import importlib.util
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def flink(monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("flink_script", ROOT / "scripts" / "flink.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JOB_SERVER", raising=False)
    monkeypatch.setattr(module, "FOLDER", tmp_path / ".flink")
    return module


def program(path: Path, text: str = "") -> None:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)


def test_without_java_and_maven_the_command_to_type_is_told(flink, capsys):
    assert flink.main() == 1
    assert "need java and mvn. Type: apt-get install -y default-jre-headless maven" in capsys.readouterr().err


def test_a_job_server_that_is_named_needs_java_alone(flink, monkeypatch, tmp_path, capsys):
    program(tmp_path / "java")
    monkeypatch.setenv("JOB_SERVER", "/opt/server.jar")
    assert flink.main() == 0
    assert "/opt/server.jar" in capsys.readouterr().out


def test_artifacts_that_are_not_served_have_a_status_of_their_own_and_leave_nothing(flink, tmp_path, capsys):
    program(tmp_path / "java")
    program(tmp_path / "mvn", 'echo "[ERROR] Could not find artifact a:b:jar:1"\nexit 1\n')
    assert flink.main() == flink.NOT_SERVED == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "beam-runners-flink-1.19:2.62.0 are not there: Could not find artifact a:b:jar:1" in line
    assert list(flink.FOLDER.iterdir()) == []


def test_maven_is_asked_once(flink, tmp_path, capsys):
    program(tmp_path / "java")
    program(tmp_path / "mvn", 'for last; do :; done\n/bin/mkdir "${last#*=}"\n: > "${last#*=}/a.jar"\n')
    assert flink.main() == 0
    (tmp_path / "mvn").unlink()
    assert flink.main() == 0
    assert flink.class_path() == f"{flink.FOLDER}/beam-runners-flink-1.19-2.62.0/*"


def test_the_project_names_the_artifacts_and_no_place(flink):
    text = flink.project(("a.b:c:1",))
    (needed,) = ElementTree.fromstring(text).iter("dependency")
    assert [part.text for part in needed] == ["a.b", "c", "1"]
    assert "://" not in text


def test_a_server_that_does_not_start_is_told_with_its_log(flink, tmp_path):
    program(tmp_path / "java", 'echo "no such class"\nexit 1\n')
    with pytest.raises(RuntimeError, match="no such class"), flink.job_server(tmp_path):
        pass


def test_finished_jobs_are_read_in_order(flink, tmp_path):
    log = tmp_path / "log"
    ended = "[a] INFO b - Job {} (0f9d) switched from state RUNNING to {}.\n"
    log.write_text(ended.format("x-ingest", "FINISHED") + ended.format("x-gate", "FAILING"))
    assert flink.finished_jobs(log) == ["x-ingest"]

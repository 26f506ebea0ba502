"""`cycle --once`: its lock, its records, and how quickly it finds nothing to do."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from components.cycles.record import Status
from pipeline import cli
from pipeline.cycles import owner
from pipeline.durable import replace_json
from pipeline.workspace import Workspace

REPOSITORY = Path(__file__).parents[3]
HEAVY = """
import sys
from pipeline.__main__ import main
code = main(sys.argv[1:])
loaded = {name.split(".")[0] for name in sys.modules}
sys.stderr.write(f"code {code} heavy {sorted(loaded & {'tensorflow', 'tfx', 'apache_beam', 'keras', 'numpy'})}")
"""


@pytest.fixture
def call(capsys):
    def run(*argv):
        code = cli.main([str(arg) for arg in argv])
        return code, *capsys.readouterr()

    return run


def test_nothing_new(project, call):
    project.ended()
    assert call("cycle", project.path, "--once") == (0, "nothing new since cycle 1 (pushed version 1)\n", "")
    code, out, err = call("cycle", project.path, "--once", "--json")
    expected = {"ran": False, "reasons": ["nothing new since cycle 1 (pushed version 1)"]}
    assert (code, err) == (0, "")
    assert json.loads(out) == expected | {"cycle": None, "summary": None}
    # Looking makes no rows in the history.
    assert project.records.numbers() == [1]
    checked = json.loads((project.workspace / "cycles" / "last-check.json").read_text())
    assert checked["found"] == "nothing new since cycle 1 (pushed version 1)"


def test_nothing_new_imports_nothing_heavy(project):
    project.ended()
    (project.data / "large.tfrecord").write_bytes(os.urandom(2**20))
    project.ended(2)
    environment = os.environ | {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{project.folder}"}
    command = [sys.executable, "-c", HEAVY, "cycle", str(project.path), "--once"]
    done = subprocess.run(command, cwd=project.folder, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == "code 0 heavy []"


def test_records_survive_as_they_are(project):
    record = project.ended(status=Status.REFUSED, error="ingest failed: no label", seconds=1.5)
    assert project.records.read(1) == record


def test_unreadable_records_are_passed_over(project):
    project.ended()
    folder = project.workspace / "cycles"
    for number, text in {2: "{", 3: "[]", 4: "{}", 5: json.dumps({"status": "odd"})}.items():
        (folder / f"{number}.json").write_text(text)
    assert project.records.numbers() == [1, 2, 3, 4, 5]
    assert [record.number for record in project.records.all()] == [1]


def test_a_record_without_an_end_is_a_killed_cycle(project, call):
    project.ended(1)
    project.ended(2, Status.RUNNING)
    (settled,) = [record for record in project.records.settle() if record.number == 2]
    assert (settled.status, settled.ended_at) == (Status.KILLED, None)
    assert settled.error == f"its process {os.getpid()} ended without a word"
    assert project.records.read(2) == settled
    assert project.decide().reasons == ("cycle 2 was killed: it is tried again",)


def test_a_write_that_is_killed_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "1.json"
    replace_json(path, {"status": "running"})
    code = f"""
import os, signal
from pathlib import Path
from pipeline import durable
write = durable.write_flushed
def killed(path, content):
    write(path, content[: len(content) // 2])
    os.kill(os.getpid(), signal.SIGKILL)
durable.write_flushed = killed
durable.replace_json(Path({str(path)!r}), {{"status": "pushed", "reasons": ["x" * 1000]}})
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY).returncode == -signal.SIGKILL
    (torn,) = tmp_path.glob(".*.incoming")
    assert 500 < torn.stat().st_size < 1000
    assert json.loads(path.read_text()) == {"status": "running"}


def test_one_at_a_time_with_owner_and_age(project, call):
    with owner.held(project.workspace, "cycle", "run a cycle") as dead:
        assert dead is None
        since = (project.workspace / "cycle-owner.json").read_text()
        assert json.loads(since)["pid"] == os.getpid()
        code, _, err = call("cycle", project.path, "--once")
    assert code == 3
    assert err.startswith(
        f"one process at a time can run a cycle in {project.workspace}, but process {os.getpid()} on "
        f"{socket.gethostname()} (since "
    )
    assert " ago) does; wait until it has ended, or end it\n" in err
    assert not (project.workspace / "cycle-owner.json").exists()


def test_the_lock_of_a_dead_process_is_taken_over_and_that_is_said(project, call):
    project.ended()
    code = f"""
import os, signal
from pathlib import Path
from pipeline.cycles import owner
with owner.held(Path({str(project.workspace)!r}), "cycle", "run a cycle"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY)
    assert killed.wait() == -signal.SIGKILL
    assert json.loads((project.workspace / "cycle-owner.json").read_text())["pid"] == killed.pid
    code, _, err = call("cycle", project.path, "--once")
    assert code == 0
    assert err.startswith(f"warning: the lock of cycles was held by process {killed.pid} on {socket.gethostname()} ")
    assert err.endswith(", which is dead: it is taken over\n")
    assert call("cycle", project.path, "--once")[2] == ""


def test_a_run_that_holds_the_workspace_leaves_no_trace_of_the_cycle(project, call):
    with Workspace(project.workspace).locked("other"):
        code, _, err = call("cycle", project.path, "--once")
    assert code == 3
    assert "in use by run other" in err
    assert project.records.numbers() == []


def test_wrong_workspace(project, call):
    (project.folder / "file").write_text("")
    code, _, err = call("cycle", project.path, "--once", "--workspace", project.folder / "file")
    assert code == 2
    assert "must be a folder that can be written" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("seconds", "text"), [(-5, "0 s"), (40, "40 s"), (200, "3 min"), (7300, "2 h"), (200000, "2 days")]
)
def test_durations(seconds, text):
    assert owner.duration(seconds) == text

"""The two processes of a container: exit codes, signals, and what is left behind. No TFX is imported."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]

PRELUDE = """
import os, signal, subprocess, sys, time
from pathlib import Path
from kubeflow.container import mounts, supervise
from kubeflow.container import node as _node
mounts.MOUNTS = {"s3://": sys.argv.pop(1) + "/s3/"}
supervise._GRACE_SECONDS = 0.3
def start(work):
    supervise._node = lambda invocation: work(Path(mounts.to_local(invocation.outputs["selected"].uri)), invocation)
    sys.exit(supervise.main(sys.argv[1:]))
"""


@pytest.fixture
def place(tmp_path):
    """Where the launcher looks for the outputs of the node."""
    return tmp_path / "s3" / "bucket" / "root" / "digits" / "run-1" / "selector" / "uuid"


@pytest.fixture
def container(arguments, tmp_path, place):
    """`container(work)`: a container whose node runs the lines of `work`."""
    uri = "s3://bucket/root/digits/run-1/selector/uuid"
    outputs = {
        "selected": {"uri": f"{uri}/selected", "type": {"instanceSchema": "title: tfx.Model"}},
        "executor-logs": {"uri": f"{uri}/executor-logs", "type": {"schemaTitle": "system.Artifact"}},
    }
    argv = arguments("a.B", outputs=outputs, output_file=str(place / "output_metadata.json"))
    place.mkdir(parents=True)
    (place / "executor-logs").write_text("log")

    def start(work):
        indented = "".join(f"    {line}\n" for line in work.splitlines())
        code = f"{PRELUDE}\ndef work(folder, invocation):\n{indented}\nstart(work)"
        command = [sys.executable, "-c", code, str(tmp_path), *argv]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return start


def test_a_node_that_succeeds(container, place):
    process = container(
        "folder.mkdir()\n(folder / 'a').write_text('a')\n"
        "_node.write_whole(Path(invocation.output_file), {'artifacts': {}})\nreturn 0"
    )
    assert (process.communicate()[0], process.returncode) == ("", 0)
    assert sorted(path.name for path in place.iterdir()) == ["executor-logs", "output_metadata.json", "selected"]


def test_a_node_that_fails_leaves_nothing_but_its_log(container, place):
    process = container("folder.mkdir()\nPath(invocation.output_file).write_text('{')\nreturn 1")
    assert process.wait() == 1
    assert [path.name for path in place.iterdir()] == ["executor-logs"]


def test_what_an_earlier_try_said_is_not_believed(container, place):
    (place / "output_metadata.json").write_text("{}")
    process = container("return 0")
    assert process.wait() == 0
    assert not (place / "output_metadata.json").exists()


BUSY = """
folder.mkdir()
(folder / "half").write_text("a")
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
(folder.parent / "worker").write_text(str(worker.pid))
{deaf}
print("busy", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("deaf", ["", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"])
def test_sigterm_ends_it_soon_with_its_workers(container, place, deaf):
    process = container(BUSY.format(deaf=deaf))
    assert process.stdout.readline() == "busy\n"
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=20)
    assert (said, process.returncode) == ("selector interrupted by SIGTERM\n", 143)
    assert not (place / "selected").exists()
    assert not (place / "output_metadata.json").exists()
    assert _is_gone(int((place / "worker").read_text()))


def test_a_kill_for_want_of_memory_is_named(container, place):
    process = container("folder.mkdir()\nos.kill(os.getpid(), signal.SIGKILL)")
    said, _ = process.communicate()
    assert process.returncode == 137
    assert said == (
        "selector failed: SIGKILL ended its process; when the kernel did that for want of memory, give it more: "
        "kubeflow.steps.selector.memory_limit\n"
    )
    assert not (place / "selected").exists()


def test_a_crash_is_named(container):
    process = container("os.kill(os.getpid(), signal.SIGSEGV)")
    said, _ = process.communicate()
    assert (said, process.returncode) == ("selector failed: SIGSEGV ended its process\n", 139)


def test_arguments_that_kubeflow_does_not_give_are_refused_in_one_line():
    said = subprocess.run(
        [sys.executable, "-m", "kubeflow.container"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert said.returncode == 2
    assert said.stdout.startswith("this command must be started by Kubeflow Pipelines")
    assert said.stdout.count("\n") == 1


def test_a_root_that_no_launcher_mounts_is_refused(arguments):
    outputs = {"selected": {"uri": "hdfs://a/b", "type": {"instanceSchema": "title: tfx.Model"}}}
    argv = arguments("a.B", outputs=outputs)
    command = [sys.executable, "-m", "kubeflow.container", *argv]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (said.returncode, "must stand in one of s3://" in said.stdout) == (2, True)


def test_legacy_keras_is_set_before_anything_is_imported():
    code = "import runpy, sys; sys.argv = ['x']; runpy.run_module('kubeflow.container', run_name='x')"
    check = (
        f"{code}; import os, json; print(json.dumps([os.environ['TF_USE_LEGACY_KERAS'], 'tensorflow' in sys.modules]))"
    )
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "0"}
    said = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert json.loads(said.stdout) == ["1", False]


def _is_gone(pid):
    for _ in range(50):
        try:
            # A process that ended and was not waited for yet is a zombie.
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False

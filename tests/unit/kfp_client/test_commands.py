"""The commands' place in the program, and what people see of a run on a terminal."""

import ast
import io
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import kfp_server_api as kfp
import pytest

from kubeflow.__main__ import KUBEFLOW
from kubeflow.live import Status, Task, tasks_of

REPOSITORY = Path(__file__).parents[3]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("name", KUBEFLOW.commands)
def test_the_table_repeats_the_help_of_every_command(name):
    path = REPOSITORY / (KUBEFLOW.commands[name].module.replace(".", "/") + ".py")
    found = {
        node.targets[0].id: node.value.value
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    assert KUBEFLOW.commands[name].help == found["HELP"]


@pytest.mark.parametrize("command", ["submit", "schedule"])
def test_help_imports_no_tensorflow_and_no_tfx(command):
    code = (
        "import sys\nfrom kubeflow.__main__ import KUBEFLOW\nfrom pipeline import cli\n"
        f"cli.main([{command!r}, '--help'], program=KUBEFLOW)\n"
        "print(sorted({'tensorflow', 'tfx', 'kfp', 'apache_beam'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stderr == "[]\n"
    assert f"python -m kubeflow {command}" in done.stdout


def test_a_terminal_shows_all_tasks_as_they_are(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    status = Status(stream, silent=False, order=["ingest", "train"])
    status.show([Task("ingest", "SUCCEEDED", 5.0), Task("train", "RUNNING", 2.5)])
    status.close()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert re.search(r"ingest +5\.0 s +done", text)
    assert re.search(r"train +2\.5 s +running", text)


@pytest.mark.parametrize("variable", [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_plain_terminal_gets_lines(monkeypatch, variable):
    monkeypatch.setenv(*variable)
    stream = Terminal()
    status = Status(stream, silent=False, order=["ingest"])
    for state in ("RUNNING", "SUCCEEDED", "SUCCEEDED"):
        status.show([Task("ingest", state, 5.0)])
    status.close()
    assert stream.getvalue().count("ingest") == 1


def test_a_task_that_goes_on_counts_its_seconds_from_its_driver():
    begin, now = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    never = datetime(1, 1, 1, tzinfo=UTC)
    driver = kfp.V2beta1PipelineTaskDetail(display_name="a-driver", state="SUCCEEDED", start_time=begin, end_time=begin)
    node = kfp.V2beta1PipelineTaskDetail(display_name="a", state="RUNNING", start_time=now, end_time=never)
    waiting = kfp.V2beta1PipelineTaskDetail(
        display_name="b-driver", state="RUNTIME_STATE_UNSPECIFIED", start_time=never
    )
    run = kfp.V2beta1Run(run_details=kfp.V2beta1RunDetails(task_details=[node, driver, waiting]))
    assert tasks_of(run, ["a", "b", "c"], now) == [
        Task("a", "RUNNING", 60.0),
        Task("b", "PENDING", None),
        Task("c"),
    ]
    assert tasks_of(kfp.V2beta1Run(), ["a"], now) == [Task("a")]

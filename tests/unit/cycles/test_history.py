"""`cycle --history`: what cycles came to, told honestly."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from components.cycles.fingerprint import DataFile
from components.cycles.kept import KeptRecords
from components.cycles.record import Measured, Status
from pipeline import cli
from pipeline.cycles import owner
from pipeline.cycles.history import spans_text


@pytest.fixture
def call(capsys):
    def run(*argv):
        code = cli.main([str(arg) for arg in argv])
        return code, *capsys.readouterr()

    return run


def with_spans(project, record, *spans):
    files = tuple(DataFile(f"span-{span}", span, None, 1, "x") for span in spans)
    project.records.write(replace(record, fingerprint=replace(record.fingerprint, files=files)))


def test_table(project, call):
    drift = {"distance": 0.123456, "feature": "image", "notice": 0.1, "stop": 0.3}
    measured = Measured("accuracy", 0.96, 0.97, "int8", 41234, 30000, drift)
    with_spans(project, project.ended(1, measured=measured, pushed_version=1), 1, 2, 3, 5)
    project.ended(2, Status.REFUSED, reasons=("span 6 is new (1 file)",), error="ingest failed: no label")
    code, out, err = call("cycle", project.path, "--history")
    assert (code, err) == (0, "")
    header, second, first, why = (line.split() for line in out.splitlines())
    assert header == (
        ["cycle", "started", "status", "spans", "metric", "value", "baseline", "bytes", "drift", "version", "why"]
    )
    assert first[:6] == ["1", "2026-11-22", "17:00:00", "pushed", "1-3,", "5"]
    assert first[6:13] == ["accuracy", "0.9600", "0.9700", "41,234", "0.123", "image", "v1"]
    assert " ".join(first[13:]) == "there was no cycle before"
    assert second[3:] == ["refused", *["-", "-", "-", "-", "-", "-", "-"], *["span", "6", "is", "new", "(1", "file)"]]
    assert " ".join(why) == "cycle 2 (refused): ingest failed: no label"


def test_json_and_the_last_look(project, call):
    project.ended(1)
    call("cycle", project.path, "--once")
    _, out, _ = call("cycle", project.path, "--history", "--json")
    result = json.loads(out)
    (only,) = result["cycles"]
    assert (only["number"], only["status"], only["spans"]) == (1, "pushed", [])
    assert "fingerprint" not in only
    assert result["last_check"]["found"] == "nothing new since cycle 1 (pushed version 1)"
    assert result["unreadable"] == []
    assert (
        call("cycle", project.path, "--history")[1]
        .splitlines()[-1]
        .endswith("nothing new since cycle 1 (pushed version 1)")
    )


def test_running_and_killed(project, call):
    record = project.ended(1, Status.RUNNING)
    assert call("cycle", project.path, "--history")[1].splitlines()[1].split()[3] == "running"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    project.records.write(replace(record, process=owner.this_process() | {"pid": gone.pid}))
    lines = call("cycle", project.path, "--history")[1].splitlines()
    assert lines[1].split()[3] == "killed"
    assert lines[2] == f"cycle 1 (killed): its process {gone.pid} is gone"
    # Only looking changes nothing.
    assert project.records.read(1).status is Status.RUNNING


def test_empty_and_unreadable(project, call):
    assert call("cycle", project.path, "--history")[1] == f"no cycles in {project.workspace} yet\n"
    project.ended(1)
    (project.workspace / "cycles" / "2.json").write_text("{")
    assert call("cycle", project.path, "--history")[1].splitlines()[-1] == "the record of cycle 2 cannot be read"


def test_force_belongs_to_once(project, call):
    code, _, err = call("cycle", project.path, "--history", "--force")
    assert (code, err) == (2, "--force must stand beside --once, got it alone; leave it out\n")


@pytest.mark.parametrize(("spans", "text"), [([], "-"), ([4], "4"), ([2, 3, 4, 7], "2-4, 7"), ([1, 3], "1, 3")])
def test_spans(spans, text):
    assert spans_text(spans) == text


def test_of_a_cluster(project, call):
    """The records lie in the registry; the workspace of whoever looks knows nothing of them."""
    registry = project.folder / "registry"
    project.configure(f"push: {{to: {registry}}}\n")
    assert call("cycle", project.path, "--history", "--cluster")[1] == f"no cycles in {registry} yet\n"
    record = replace(project.ended(1), examples="s3://bucket/run-1/examples")
    project.records.remove(record)
    KeptRecords(str(registry)).add(record)
    (registry / "cycles" / "00000002.json").write_text("{")
    lines = call("cycle", project.path, "--history", "--cluster")[1].splitlines()
    assert lines[1].split()[:4] == ["1", "2026-11-22", "17:00:00", "pushed"]
    assert lines[2:] == ["the record of cycle 2 cannot be read"]
    result = json.loads(call("cycle", project.path, "--history", "--cluster", "--json")[1])
    assert (result["registry"], len(result["cycles"]), result["last_check"]) == (str(registry), 1, None)
    assert call("cycle", project.path, "--history")[1] == f"no cycles in {project.workspace} yet\n"


def test_a_registry_that_cannot_be_read_is_told(project, call):
    project.configure("push: {to: gopher://x}\n")
    code, _, err = call("cycle", project.path, "--history", "--cluster")
    assert (code, "must be a folder or a URI that fsspec can open" in err) == (1, True)


def test_cluster_belongs_to_history(project, call):
    code, _, err = call("cycle", project.path, "--once", "--cluster")
    assert (code, err) == (2, "--cluster must stand beside --history, got it alone; leave it out\n")

"""Each check of the doctor against a fault handed to it, and what it tells the user to do."""

import argparse
import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import doctor
from pipeline.commands import doctor as command
from pipeline.console import Console

ROOT = Path(__file__).resolve().parents[3]
OLDER = doctor.NATIVE["requirements-glibc228.txt"]
NEWER = doctor.NATIVE["requirements.txt"]


def broken(module):
    raise ImportError(f"no {module}\nin two lines")


@pytest.mark.parametrize(
    ("check", "found", "remedy"),
    [
        (doctor.check_python((3, 10)), r"3\.10", "Use Python 3.11, 3.12 or 3.13"),
        (doctor.check_python((3, 14)), r"3\.14", "make setup PYTHON"),
        (doctor.check_c_library((2, 36), "Linux", NEWER.get), "glibc 2.36.*1.21.0", "requirements-glibc228.txt asks"),
        (doctor.check_c_library((2, 39), "Linux", OLDER.get), "glibc 2.39.*1.17.1", "requirements.txt asks"),
        (doctor.check_c_library(None, "Linux", NEWER.get), "not glibc", "Linux with glibc"),
        (doctor.check_c_library((2, 36), "Linux", lambda _: "not installed"), "not installed", "make setup"),
        (doctor.check_legacy_keras({}), "is not set", "export TF_USE_LEGACY_KERAS=1"),
        (doctor.check_legacy_keras({"TF_USE_LEGACY_KERAS": "0"}), "=0", "export"),
        (doctor.check_kfp(lambda _: "2.17.0"), "kfp 2.17.0", "below 2.17"),
        (doctor.check_kfp(lambda _: "2.1.6"), "kfp 2.1.6", "below 2.17"),
        (doctor.check_components(broken), "ImportError: no tfx.components in two lines", "make setup"),
        (
            doctor.check_library("LiteRT", "ai-edge-litert", "m", "Interpreter", broken, str),
            "m: ImportError: no m",
            "make setup",
        ),
        (
            doctor.check_library("LiteRT", "ai-edge-litert", "m", "Interpreter", lambda _: SimpleNamespace(), str),
            "m has no Interpreter",
            "make setup",
        ),
        (doctor.check_beam(lambda: broken("beam")), "ImportError: no beam", "make setup"),
    ],
)
def test_a_fault_is_found_and_says_what_to_do(check, found, remedy):
    assert check.status == "fault"
    assert re.search(found, check.found)
    assert remedy in check.remedy


@pytest.mark.parametrize(
    "check",
    [
        doctor.check_python((3, 11)),
        doctor.check_python((3, 13)),
        doctor.check_c_library((2, 36), "Linux", OLDER.get),
        doctor.check_c_library((2, 41), "Linux", NEWER.get),
        doctor.check_c_library(None, "Darwin", NEWER.get),
        doctor.check_legacy_keras({"TF_USE_LEGACY_KERAS": "1"}),
        doctor.check_kfp(lambda _: "2.16.1"),
        doctor.check_disk(5_000_000_000, Path("x")),
        doctor.check_beam(lambda: None),
    ],
)
def test_what_is_well_has_no_remedy(check):
    assert (check.status, check.remedy) == ("ok", None)


def test_a_component_that_tfx_set_to_none_is_named():
    package = SimpleNamespace(**dict.fromkeys(doctor.COMPONENTS, object))
    assert doctor.check_components(lambda _: package).status == "ok"
    package.Evaluator = None
    del package.Tuner
    check = doctor.check_components(lambda _: package)
    assert check.status == "fault"
    assert "Evaluator, Tuner" in check.found


def test_little_room_is_a_warning_with_a_number():
    check = doctor.check_disk(1_234_000_000, Path("w"))
    assert (check.status, check.found) == ("warning", "1.2 GB free for w")
    assert "5 GB" in check.remedy


def test_a_workspace_that_cannot_be_written_is_a_fault(tmp_path):
    assert doctor.check_writable(tmp_path / "not" / "yet").status == "ok"
    assert list(tmp_path.iterdir()) == []
    place = Path("/proc/none")
    with pytest.raises(OSError, match="No such file"):  # the fault is real: nobody may make files there
        (place.parent / "probe").touch()
    check = doctor.check_writable(place)
    assert check.status == "fault"
    assert "--workspace DIR" in check.remedy


def test_the_packages_that_differ_are_those_of_the_locks():
    for lock, packages in doctor.NATIVE.items():
        text = (ROOT / lock).read_text()
        for name, version in packages.items():
            assert f"\n{name}=={version} " in text


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warning", 0), ("fault", 1)])
def test_the_command_prints_each_check_and_fails_on_a_fault(monkeypatch, capsys, status, code):
    check = doctor.Check("Thing", status, "what is there", None if status == "ok" else "what to do")
    monkeypatch.setattr(command, "examine", lambda workspace: iter([check]))
    args = argparse.Namespace(workspace=None, config=None)
    assert command.execute(args, Console()) == code
    text = capsys.readouterr().out
    assert "what is there" in text
    assert ("what to do" in text) == (status != "ok")
    assert command.execute(args, Console(json_mode=True)) == code
    result = json.loads(capsys.readouterr().out)
    assert result["ok"] == (code == 0)
    assert result["checks"] == [{"name": "Thing", "status": status, "found": check.found, "remedy": check.remedy}]

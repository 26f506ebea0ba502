"""The browser of the tests of pages: found, or one message that says what to type."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def chromium(monkeypatch, tmp_path):
    spec = importlib.util.spec_from_file_location("chromium_script", ROOT / "scripts" / "chromium.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    return module


def executable(path: Path) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_browser_on_the_path_is_found(chromium, tmp_path, capsys):
    browser = executable(tmp_path / "google-chrome")
    assert chromium.main() == 0
    assert str(browser) in capsys.readouterr().out


def test_the_one_that_is_named_is_taken(chromium, monkeypatch, tmp_path):
    executable(tmp_path / "chromium")
    browser = executable(tmp_path / "other")
    monkeypatch.setenv("CHROMIUM", str(browser))
    assert chromium.find() == str(browser)


@pytest.mark.parametrize("named", [None, "/no/such/browser"])
def test_without_one_the_command_to_type_is_told(chromium, monkeypatch, capsys, named):
    if named:
        monkeypatch.setenv("CHROMIUM", named)
    # Neither apt is on this PATH, nor would a browser that was named be replaced.
    assert not chromium.may_install()
    assert chromium.main() == 1
    said = capsys.readouterr().err
    assert "apt-get install -y chromium" in said
    assert (named or "none of chromium") in said


def test_root_installs_what_is_absent(chromium, monkeypatch, tmp_path):
    calls = tmp_path / "calls"
    apt = executable(tmp_path / "apt-get")
    apt.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    monkeypatch.setattr(chromium.os, "geteuid", lambda: 0)
    assert chromium.main() == 1, "this apt installs nothing"
    assert [line.split()[0] for line in calls.read_text().splitlines()] == ["update", "install"]
    monkeypatch.setattr(chromium.os, "geteuid", lambda: 1000)
    assert chromium.main() == 1
    assert len(calls.read_text().splitlines()) == 2

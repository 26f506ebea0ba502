"""How `make setup` chooses a lock, what it refuses, and when it has nothing to do."""

import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def setup():
    spec = importlib.util.spec_from_file_location("setup_script", ROOT / "scripts" / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("system", "machine", "glibc", "python", "lock"),
    [
        ("Linux", "x86_64", (2, 36), (3, 11), "requirements-glibc228.txt"),
        ("Linux", "x86_64", (2, 38), (3, 11), "requirements-glibc228.txt"),
        ("Linux", "x86_64", (2, 39), (3, 11), "requirements.txt"),
        ("Linux", "x86_64", (2, 41), (3, 13), "requirements.txt"),
        ("Darwin", "arm64", None, (3, 12), "requirements.txt"),
    ],
)
def test_the_c_library_chooses_the_lock(setup, system, machine, glibc, python, lock):
    assert setup.choose_lock(system, machine, glibc, python) == lock


@pytest.mark.parametrize(
    ("system", "machine", "glibc", "python", "said"),
    [
        ("Linux", "x86_64", (2, 36), (3, 12), "make setup PYTHON=python3.11"),
        ("Linux", "x86_64", (2, 27), (3, 11), "glibc 2.28 or newer"),
        ("Linux", "x86_64", None, (3, 11), "not glibc"),
        ("Linux", "aarch64", (2, 39), (3, 11), "Linux aarch64"),
        ("Windows", "AMD64", None, (3, 11), "Windows AMD64"),
    ],
)
def test_a_machine_without_a_lock_is_told_what_to_use(setup, system, machine, glibc, python, said):
    with pytest.raises(setup.SetupError, match=said):
        setup.choose_lock(system, machine, glibc, python)


def test_a_missing_compiler_is_told_before_anything_starts(setup, monkeypatch, tmp_path):
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(setup.SetupError, match=r"no-such-compiler.*apt-get install -y g\+\+ python3-dev"):
        setup.check_can_build()
    tag = f"cp{setup.sys.version_info[0]}{setup.sys.version_info[1]}"
    built = tmp_path / "sdists-v9" / "pypi" / "pyfarmhash" / "0.3.2" / "abc" / f"pyfarmhash-0.3.2-{tag}-{tag}-linux.whl"
    built.parent.mkdir(parents=True)
    built.touch()
    setup.check_can_build()


def test_a_missing_venv_module_is_told(setup, monkeypatch):
    monkeypatch.setattr(setup.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(setup.SetupError, match=r"apt-get install -y python3\.\d+-venv"):
        setup.check_can_make_venv()


@pytest.fixture
def installed(setup, monkeypatch, tmp_path):
    """An environment on paper: what `install` was asked for, oldest first."""
    calls = []
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.touch()
    monkeypatch.setattr(setup, "STAMP", tmp_path / "stamp.json")
    monkeypatch.setattr(setup, "BIN", python.parent)
    monkeypatch.setattr(setup, "choose_lock", lambda *_: "requirements.txt")
    monkeypatch.setattr(setup, "check_can_build", lambda: None)
    monkeypatch.setattr(setup, "install", lambda locks, fresh: calls.append((locks[1:], fresh)))
    return calls


def test_nothing_changed_means_nothing_to_do(setup, installed):
    setup.set_up(set(), switch_python=False)
    setup.set_up(set(), switch_python=True)
    assert installed == [([], True)]


def test_extras_are_added_and_stay(setup, installed):
    for extras in (set(), {"devices"}, set(), {"devices"}, {"dev"}, set(), {"dev", "devices"}):
        setup.set_up(extras, switch_python=False)
    both = ["requirements-dev.txt", "requirements-devices.txt"]
    assert installed == [([], True), (["requirements-devices.txt"], False), (both, False)]
    stamp = json.loads(setup.STAMP.read_text())
    setup.STAMP.write_text(json.dumps({**stamp, "devices": "of another lock"}))
    setup.set_up(set(), switch_python=False)
    assert installed[3:] == [(both, False)]
    setup.STAMP.unlink()  # a new environment has what is asked for
    setup.set_up(set(), switch_python=False)
    assert installed[4:] == [([], True)]


def test_an_environment_from_before_there_were_extras_is_kept_up(setup, installed):
    setup.set_up(set(), switch_python=False)
    stamp = json.loads(setup.STAMP.read_text())
    del stamp["devices"]
    setup.STAMP.write_text(json.dumps(stamp))
    setup.set_up(set(), switch_python=False)
    assert installed[1:] == [([], False)]


def test_make_hands_the_extras_on(setup, monkeypatch):
    command = ["make", "--dry-run", "--no-print-directory", "setup", "EXTRAS=devices"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.split()[-2:] == ["scripts/setup.py", "--devices"]
    monkeypatch.setattr(setup.sys, "argv", ["setup.py", "--device"])
    with pytest.raises(SystemExit):
        setup.main()


def test_a_changed_lock_another_python_or_a_killed_setup_installs_again(setup, installed, monkeypatch):
    setup.set_up(set(), switch_python=False)
    stamp = json.loads(setup.STAMP.read_text())
    setup.STAMP.write_text(json.dumps({**stamp, "digest": "of another lock"}))
    setup.set_up(set(), switch_python=False)
    assert installed[1:] == [([], False)]
    setup.STAMP.write_text(json.dumps({**stamp, "python": [[3, 11, 0], "/another/python3.11"]}))
    setup.set_up(set(), switch_python=False)  # an environment keeps its Python
    assert installed[2:] == []
    setup.set_up(set(), switch_python=True)
    assert installed[2:] == [([], True)]

    def killed(*_):
        raise KeyboardInterrupt

    setup.STAMP.write_text(json.dumps({**stamp, "digest": "of another lock"}))
    with monkeypatch.context() as patch:
        patch.setattr(setup, "install", killed)
        with pytest.raises(KeyboardInterrupt):
            setup.set_up(set(), switch_python=False)
    setup.set_up(set(), switch_python=False)
    assert installed[3:] == [([], True)]

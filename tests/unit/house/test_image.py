"""What the image of the cluster's tasks holds, as its Dockerfile says; `make test-image` tries the image itself."""

import fnmatch
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LINES = (ROOT / "kubeflow" / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
COMPILERS = ("g++", "gcc", "build-essential", "python3-dev")


@pytest.fixture
def image():
    spec = importlib.util.spec_from_file_location("image_script", ROOT / "scripts" / "image.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stages():
    """Name -> its base and its lines; the last stage is `final`."""
    found, name = {}, None
    for line in LINES:
        begun = re.fullmatch(r"FROM (\S+)(?: AS (\S+))?", line)
        if begun:
            name = begun[2] or "final"
            found[name] = (begun[1], [])
        elif name:
            found[name][1].append(line)
    return found


def test_the_last_stage_has_no_compiler_and_an_ordinary_user():
    every = stages()
    base, lines = every["final"]
    text = "\n".join([*every[base][1], *lines])
    assert not any(tool in text for tool in COMPILERS)
    assert "COPY --from=build" in text
    user = next(line for line in reversed(lines) if line.startswith("USER "))
    assert int(user.removeprefix("USER ").split(":")[0]) > 0
    assert any(compiler in "\n".join(every["build"][1]) for compiler in COMPILERS)


def test_tasks_know_legacy_keras_and_have_a_home_of_their_own():
    text = "\n".join(stages()["final"][1])
    assert "TF_USE_LEGACY_KERAS=1" in text
    assert "HOME=/home/edge" in text
    assert "--home-dir /home/edge" in text


def test_every_hash_is_checked_by_the_set_up_that_all_machines_have():
    assert "python3 scripts/setup.py" in "\n".join(stages()["build"][1])
    assert "--require-hashes" in (ROOT / "scripts" / "setup.py").read_text()


def test_the_base_is_the_one_that_debootstrap_makes(image):
    bases = {base for base, _ in stages().values()} - set(stages())
    assert bases == {image.BASE}


def test_the_build_gets_all_packages_and_nothing_else():
    lines = (ROOT / ".dockerignore").read_text().split("\n")
    assert "*" in lines
    kept = [line[1:] for line in lines if line.startswith("!")]
    project = (ROOT / "pyproject.toml").read_text()
    packages = re.findall(r'"(\w+)\*"', project.split("[tool.setuptools.packages.find]")[1].split("\n\n")[0])
    assert packages
    assert set(packages) <= set(kept)
    assert {"scripts/setup.py", "pyproject.toml", "requirements.txt", "requirements-uv.txt"} <= set(kept)
    for unwanted in ("tests", ".git", ".venv", "data", ".edge", ".image"):
        assert not any(fnmatch.fnmatch(unwanted, pattern) for pattern in kept)


def test_says_what_to_install_and_that_it_needs_root(image, monkeypatch):
    monkeypatch.setattr(image.shutil, "which", lambda tool: None)
    with pytest.raises(image.ImageError, match="apt-get install -y debootstrap buildah"):
        image.build_root()
    with pytest.raises(image.ImageError, match="make image-root"):
        image.find_engine()
    monkeypatch.setattr(image.shutil, "which", lambda tool: tool)
    monkeypatch.setattr(image.os, "geteuid", lambda: 1000)
    with pytest.raises(image.ImageError, match="must run as root"):
        image.build_root()


def test_certificates_of_the_environment_are_lent_and_must_be_there(image, monkeypatch, tmp_path):
    for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    assert image.certificates() == []
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "ca.crt"))
    with pytest.raises(image.ImageError, match=r"ca\.crt is not"):
        image.certificates()
    (tmp_path / "ca.crt").touch()
    assert f"id=ca,src={tmp_path / 'ca.crt'}" in image.certificates()

"""Signatures: a version that another key signed, that nobody signed, or that changed afterwards is told."""

import shutil
import subprocess

import pytest

from registry import Registry, RegistryError
from registry.integrity import find_faults
from registry.signing import signer


@pytest.fixture
def make_key(tmp_path):
    """`make_key(name)` gives a private and a public key as the documented commands make them."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is absent")

    def make(name: str) -> tuple[str, bytes]:
        private = tmp_path / f"{name}.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
        public = subprocess.run(["openssl", "pkey", "-in", private, "-pubout"], check=True, capture_output=True)
        return private.read_text(), public.stdout

    return make


@pytest.fixture
def pushed(make_key, tmp_path):
    """A signed version and the public key."""
    private, public = make_key("owner")
    model = tmp_path / "model.tflite"
    model.write_bytes(b"TFL3" + bytes(100))
    registry = Registry(tmp_path / "registry")
    registry.push(model, {"identity": "a"}, {"golden.npz": model, "card.md": b"# Card"}, sign=signer(private))
    return registry.current(), public


def test_a_signed_version_is_sound(pushed):
    version, public = pushed
    assert "manifest.sig" in version.names()
    assert find_faults(version, public) == []


def test_another_key_is_told(pushed, make_key):
    version, _ = pushed
    (fault,) = find_faults(version, make_key("other")[1])
    assert "its signature does not fit its manifest and the configured key" in fault


def test_a_missing_signature_is_told(pushed):
    version, public = pushed
    (version.path / "manifest.sig").unlink()
    (fault,) = find_faults(version, public)
    assert "it must be signed, but has no signature" in fault


@pytest.mark.parametrize("name", ["model.tflite", "golden.npz", "card.md", "manifest.json", "manifest.sig"])
def test_a_changed_byte_anywhere_is_told(pushed, name):
    version, public = pushed
    path = version.path / name
    content = path.read_bytes()
    # In a manifest the last brace is followed by a newline: another one is still JSON.
    path.write_bytes(content + b" " if name == "manifest.json" else bytes([content[0] ^ 1]) + content[1:])
    assert find_faults(version, public)


@pytest.mark.parametrize("pem", ["", "secret words"])
def test_what_is_no_key_is_refused_without_a_word_of_it(pem):
    with pytest.raises(RegistryError, match="must be an unencrypted private key in PEM form") as caught:
        signer(pem)
    assert "secret" not in str(caught.value)


def test_a_key_of_another_kind_is_refused(tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is absent")
    path = tmp_path / "rsa.pem"
    subprocess.run(["openssl", "genrsa", "-out", path, "1024"], check=True, capture_output=True)
    with pytest.raises(RegistryError, match="must be an Ed25519 key"):
        signer(path.read_text())

"""What a registry keeps, refuses and says."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

from registry import Registry, RegistryError

MODEL = b"TFL3" + bytes(200)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(MODEL)
    return path


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry")


def test_an_empty_registry_has_no_current_version_and_is_not_made_by_reading(registry):
    assert registry.current() is None
    assert registry.versions() == []
    assert not registry.root.exists()


def test_a_version_holds_the_model_the_extra_files_and_a_manifest(registry, model, tmp_path):
    labels = tmp_path / "names.txt"
    labels.write_text("zero\n")
    pushed = registry.push(model, {"identity": "a", "variant": "int8"}, {"labels.txt": labels})
    assert (pushed.version, pushed.created) == (1, True)
    assert pushed.path == registry.root / "versions" / "1"
    assert sorted(path.name for path in pushed.path.iterdir()) == ["labels.txt", "manifest.json", "model.tflite"]
    text = (pushed.path / "manifest.json").read_text()
    manifest = json.loads(text)
    assert text == json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", manifest.pop("pushed_at"))
    assert manifest == {
        "identity": "a",
        "variant": "int8",
        "version": 1,
        "sha256": hashlib.sha256(MODEL).hexdigest(),
        "size_bytes": len(MODEL),
        "gzip_bytes": len(gzip.compress(MODEL, 9, mtime=0)),
        "files": {"labels.txt": hashlib.sha256(b"zero\n").hexdigest()},
    }
    current = registry.current()
    assert current is not None
    assert current.model_file.read_bytes() == MODEL


def test_the_same_model_and_identity_make_no_new_version(registry, model):
    registry.push(model, {"identity": "a"})
    before = (registry.root / "current.json").read_bytes()
    again = registry.push(model, {"identity": "a", "run_id": "another"})
    assert (again.version, again.created) == (1, False)
    assert (registry.root / "current.json").read_bytes() == before
    assert registry.push(model, {"identity": "b"}).version == 2
    model.write_bytes(MODEL + b"x")
    assert registry.push(model, {"identity": "b"}).version == 3


def test_pushing_an_older_version_again_points_to_it(registry, model):
    registry.push(model, {"identity": "a"})
    registry.push(model, {"identity": "b"})
    assert registry.push(model, {"identity": "a"}).version == 1
    assert registry.current().version == 1
    assert registry.push(model, {"identity": "c"}).version == 3


def test_a_number_is_never_given_twice(registry, model):
    for identity in "abc":
        registry.push(model, {"identity": identity})
    registry.push(model, {"identity": "a"})
    for number in (2, 3):
        folder = registry.root / "versions" / str(number)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    assert registry.push(model, {"identity": "d"}).version == 4


def test_a_version_whose_model_was_damaged_is_not_taken_for_the_same(registry, model):
    first = registry.push(model, {"identity": "a"})
    (first.path / "model.tflite").write_bytes(b"TFL3 rot")
    assert registry.push(model, {"identity": "a"}).version == 2


def test_a_damaged_version_does_not_stop_a_push(registry, model):
    first = registry.push(model, {"identity": "a"})
    (first.path / "manifest.json").write_text('{"version": 1, "sha')
    assert registry.push(model, {"identity": "a"}).version == 2
    assert registry.current().version == 2


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("versions/1/manifest.json", b'{"version": 1, "sha', "must hold one JSON object"),
        ("versions/1/manifest.json", b"\xff\xfe", "must hold one JSON object"),
        ("versions/1/manifest.json", b"[]", "it holds a list"),
        ("versions/1/manifest.json", b'{"version": 7, "sha256": "00"}', "must hold version 1"),
        ("versions/1/manifest.json", None, "there is none"),
        ("current.json", b"", "must hold one JSON object"),
        ("current.json", b'{"version": "1"}', "must hold version as int; it holds '1'"),
        ("current.json", b'{"version": 9, "sha256": "00", "highest_version": 9}', "Version 9 must stand in"),
        ("current.json", b'{"version": 1, "sha256": "00", "highest_version": 1}', "must name the same model"),
    ],
)
def test_damage_is_named_with_what_to_do(registry, model, file, content, said):
    registry.push(model, {"identity": "a"})
    path = registry.root / file
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(RegistryError, match=re.escape(said)) as caught:
        registry.current()
    assert re.search("[Rr]estore|Remove", str(caught.value))
    if file.startswith("versions"):
        with pytest.raises(RegistryError, match=re.escape(said)):
            registry.versions()


@pytest.mark.parametrize("manifest", [{}, {"identity": 3}, {"identity": ""}])
def test_a_manifest_needs_an_identity(registry, model, manifest):
    with pytest.raises(RegistryError, match="must hold `identity`"):
        registry.push(model, manifest)


@pytest.mark.parametrize("value", [float("nan"), {1, 2}])
def test_a_manifest_that_is_not_json_is_refused_and_leaves_nothing(registry, model, value):
    with pytest.raises(RegistryError, match="must hold JSON values"):
        registry.push(model, {"identity": "a", "value": value})
    assert list((registry.root / "versions").iterdir()) == []


@pytest.mark.parametrize("name", ["model.tflite", "manifest.json", "../out", "a/b", ".hidden", "..", ""])
def test_an_extra_file_cannot_leave_the_folder_or_replace_the_model(registry, model, name):
    with pytest.raises(RegistryError, match="plain name"):
        registry.push(model, {"identity": "a"}, {name: model})


def test_a_missing_model_is_named(registry, tmp_path):
    with pytest.raises(RegistryError, match=r"absent\.tflite"):
        registry.push(tmp_path / "absent.tflite", {"identity": "a"})

"""Numbered notes beside the versions, and where what is mounted really lies."""

import threading

import pytest

from registry import Registry, RegistryError
from registry.notes import Notes
from registry.remote import MOUNTS, open_filesystem, remote_uri


@pytest.fixture
def notes(tmp_path):
    return Notes(Registry(tmp_path / "registry").storage, "cycles")


def test_notes_are_numbered_from_one_on_and_never_change(notes, tmp_path):
    assert notes.numbers() == []
    assert [notes.add(lambda number: {"number": number}) for _ in range(2)] == [1, 2]
    assert notes.numbers() == [1, 2]
    assert notes.read(2) == {"number": 2}
    folder = tmp_path / "registry" / "cycles"
    assert sorted(path.name for path in folder.iterdir()) == ["00000001.json", "00000002.json"]
    (folder / "readme.txt").write_text("mine")
    (folder / "00000002.json").write_text("{")
    assert notes.read(2) is None
    assert notes.add(lambda number: {}) == 3
    assert (folder / "00000002.json").read_text() == "{"


def test_writers_at_once_each_get_a_number_of_their_own(tmp_path):
    told = []

    def write(name):
        for _ in range(5):
            own = Notes(Registry(tmp_path / "registry").storage, "cycles")
            told.append((own.add(lambda number: {"by": name}), name))

    writers = [threading.Thread(target=write, args=(name,)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(number for number, _ in told) == list(range(1, 16))
    notes = Notes(Registry(tmp_path / "registry").storage, "cycles")
    assert all(notes.read(number) == {"by": name} for number, name in told)


def test_notes_leave_the_versions_alone(notes, tmp_path):
    model = tmp_path / "model"
    model.write_bytes(b"model")
    registry = Registry(tmp_path / "registry")
    notes.add(lambda number: {})
    assert registry.push(model, {"identity": "a"}).version == 1
    notes.add(lambda number: {})
    registry.push(model, {"identity": "b"})
    registry.collect(1)
    assert notes.numbers() == [1, 2]


def test_a_number_that_others_always_take(notes, monkeypatch):
    monkeypatch.setattr(notes._storage, "create", lambda name, content: False)
    with pytest.raises(RegistryError, match=r"A note must find a free number in .*cycles; others took 20 in a row"):
        notes.add(lambda number: {})


def test_a_folder_that_cannot_be_read(tmp_path):
    (tmp_path / "registry").write_text("a file")
    with pytest.raises(RegistryError, match=r"must be able to write"):
        Notes(Registry(tmp_path / "registry").storage, "cycles").add(lambda number: {})


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("/s3/bucket/run/model", "s3://bucket/run/model"),
        ("/minio/bucket/a", "minio://bucket/a"),
        ("/gcs/bucket", "gs://bucket"),
        ("/mnt/models/1", "s3://other/deep/1"),
        ("/mnt/1", "s3://flat/1"),
        ("/s3extra/a", "/s3extra/a"),
        ("/data/a", "/data/a"),
        ("s3://bucket/a", "s3://bucket/a"),
    ],
)
def test_where_a_mounted_path_lies(place, expected):
    mounts = '{"/s3/": "s3://", "/minio": "minio://", "/gcs/": "gs://", "/mnt": "s3://flat", "/mnt/models": "s3://other/deep"}'
    assert remote_uri(place, {MOUNTS: mounts}) == expected
    assert remote_uri(place, {}) == place


@pytest.mark.parametrize("text", ["{", "[]", '{"/s3": 1}', '{"": "s3://"}'])
def test_mounts_that_make_no_sense(text):
    with pytest.raises(
        RegistryError, match=r"TFX_EDGE_MOUNTS must hold folders and URI prefixes as JSON.*Mend or unset"
    ):
        remote_uri("/s3/a", {MOUNTS: text})


def test_what_kubeflow_calls_minio_is_s3():
    files, path = open_filesystem("minio://bucket/a/b/")
    assert (type(files).__name__, path) == ("S3FileSystem", "bucket/a/b")

"""Data on an object store are found, told apart and fetched as those of a folder are."""

from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from components import places
from components.errors import InputError
from components.ingest_spec import IngestSpec, SplitShare
from components.places import RemotePath, Unreachable, local_copy, place
from components.source_files import resolve

SHARES = (SplitShare("train", "", 0, 8, 10), SplitShare("eval", "", 8, 10, 10))
BY_SOURCE = (SplitShare("train", "train", 0, 1, 1), SplitShare("eval", "test", 0, 1, 1))


@pytest.fixture
def memory():
    files = fsspec.filesystem("memory")
    files.store.clear()
    yield files
    files.store.clear()


def put(files, root: Path, **contents):
    """The same files in a folder and in memory."""
    for name, content in contents.items():
        path = name.replace("__", "/")
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
        files.pipe_file(f"/bucket/data/{path}", content)


def spec(path, shares=SHARES, **more):
    return IngestSpec(format="tfrecord", label="y", task="multiclass", arrays={}, shares=shares, path=path, **more)


def told(resolved, root):
    notes = {
        name: [entry.replace(root, "") for entry in map(str, values)] for name, values in vars(resolved.notes).items()
    }
    return [
        (f.path.replace(root, ""), f.source, f.size_bytes, f.sha256, f.span, f.version) for f in resolved.files
    ], notes


@pytest.mark.parametrize(
    ("pattern", "contents", "more"),
    [
        ("", {"a": b"1", "b": b"22", "_SUCCESS": b"", ".hidden": b"x", "deep__c": b"3"}, {}),
        ("", {"train__a": b"1", "test__b": b"22", "other__c": b"3"}, {"shares": BY_SOURCE}),
        ("/span-{SPAN}", {"span-1__a": b"1", "span-2__a": b"2", "span-4__a": b"1", "span-5___tmp": b""}, {}),
        ("/span-{SPAN}", {"span-1__a": b"1", "span-2__a": b"2", "span-10__a": b"3", "spanner__a": b"4"}, {"spans": 2}),
        ("/{SPAN}/v{VERSION}", {"1__v1__a": b"1", "1__v2__a": b"2", "2__v1__b": b"3"}, {}),
        ("/{YYYY}-{MM}-{DD}/day", {"2026-11-24__day__a": b"1", "2026-11-26__day__b": b"2", "2026-11-25__x": b""}, {}),
        ("/span-{SPAN}", {"span-1": b"1", "span-2": b"22"}, {}),
    ],
)
def test_a_store_answers_as_a_folder_does(memory, tmp_path, pattern, contents, more):
    put(memory, tmp_path, **contents)
    local, remote = (resolve(spec(f"{root}{pattern}", **more)) for root in (tmp_path, "memory://bucket/data"))
    assert local.files
    assert told(remote, "memory://bucket/data") == told(local, str(tmp_path))
    assert all(file.path.startswith("memory://bucket/data") for file in remote.files)


def test_one_file(memory):
    memory.pipe_file("/bucket/data.npz", b"123")
    (file,) = resolve(spec("memory://bucket/data.npz")).files
    assert (file.path, file.size_bytes) == ("memory://bucket/data.npz", 3)


def test_names_that_only_begin_alike_are_not_in_it(memory):
    memory.pipe_file("/bucket/data/a", b"1")
    memory.pipe_file("/bucket/data-2/b", b"1")
    assert [file.path for file in resolve(spec("memory://bucket/data")).files] == ["memory://bucket/data/a"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("memory://bucket/nothing", "data.path must hold data files, but there is none at memory://bucket/nothing"),
        ("memory://bucket/span-{SPAN}", "must name at least one span that holds data"),
        (
            "gopher://bucket/span-{SPAN}",
            "must name a place that can be listed; got gopher://bucket, which gave: ValueError",
        ),
        ("gopher://bucket", "must name a place that can be listed; got gopher://bucket"),
    ],
)
def test_nothing_there_and_nobody_who_answers(memory, path, said):
    with pytest.raises(InputError) as caught:
        resolve(spec(path))
    assert said in str(caught.value)


class Tagged(MemoryFileSystem):
    """A store that tells tags, and must not be read to know its contents."""

    protocol = "tagged"
    tags: ClassVar[dict] = {}

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("tagged://", "memory://"))

    def find(self, path, **kwargs):
        return {name: {**info, **self.tags} for name, info in super().find(path, **kwargs).items()}

    def open(self, *args, **kwargs):
        raise AssertionError("read without need")


@pytest.mark.parametrize(
    ("tags", "expected"),
    [({"ETag": '"abc-2"'}, "etag:abc-2"), ({"md5Hash": "m==", "etag": "generation"}, "etag:m==")],
)
def test_the_tag_of_a_store_stands_for_the_content(memory, monkeypatch, tags, expected):
    fsspec.register_implementation("tagged", Tagged, clobber=True)
    monkeypatch.setattr(Tagged, "tags", tags)
    memory.pipe_file("/bucket/data/a", b"1")
    (file,) = resolve(spec("tagged://bucket/data")).files
    assert file.sha256 == expected


def test_a_file_is_fetched_for_as_long_as_it_is_read(memory, tmp_path):
    memory.pipe_file("/bucket/data/part.tfrecord", b"records")
    with local_copy("memory://bucket/data/part.tfrecord") as path:
        copy = Path(path)
        assert (copy.name, copy.read_bytes()) == ("part.tfrecord", b"records")
    assert not copy.exists()
    with local_copy(str(tmp_path)) as path:
        assert path == str(tmp_path)
    with pytest.raises(Unreachable, match="FileNotFoundError"), local_copy("memory://bucket/gone"):
        pass


def test_paths_look_like_paths(memory):
    memory.pipe_file("/bucket/a/b/c", b"1")
    root = place("memory://bucket/a")
    assert isinstance(root, RemotePath)
    assert isinstance(place("/tmp"), Path)
    assert [str(entry) for entry in root.iterdir()] == ["memory://bucket/a/b"]
    assert (root / "b").is_dir()
    assert not (root / "b").is_file()
    assert (root / "b" / "c").is_file()
    assert not (root / "x").exists()
    assert (root / "" == root, (root / "b").name) == (True, "b")
    assert places.Listing.of("memory://bucket/a/b/c").files.keys() == {"/bucket/a/b/c"}

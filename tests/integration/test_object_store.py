"""A registry behind a real S3 interface on loopback: whole or absent, whatever breaks off, whoever writes too."""

import hashlib
import socket
import threading
from dataclasses import replace

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from scipy.io import wavfile

from components.errors import InputError
from components.ingest_spec import AudioOptions, IngestSpec, SplitShare
from components.places import Listing, Unreachable
from components.readers import READERS
from components.source_files import resolve
from registry import Registry, RegistryError
from registry.integrity import find_faults
from registry.notes import Notes

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server():
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    yield running.get_host_and_port()
    running.stop()


@pytest.fixture
def s3(server, monkeypatch):
    """Credentials and address in the environment, and a bucket."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server))
    files = fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True)
    files.mkdir("edge")
    yield files
    files.rm("edge", recursive=True)


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"TFL3" + bytes(range(256)) * 40)
    return path


@pytest.fixture
def registry(s3):
    return Registry("s3://edge/models/digits")


def test_push_read_roll_back_and_collect(registry, s3, model, tmp_path):
    assert registry.current() is None
    assert registry.numbers() == []
    labels = tmp_path / "labels.txt"
    labels.write_text("zero")
    for number, content in enumerate((b"a", b"b", b"c"), start=1):
        model.write_bytes(content * 5000)
        assert (
            registry.push(model, {"identity": content.decode()}, {"labels.txt": labels, "card.md": b"# A card"}).version
            == number
        )
    current = registry.current()
    assert (current.version, current.read("model.tflite")) == (3, b"c" * 5000)
    assert current.names() == ["card.md", "labels.txt", "manifest.json", "model.tflite"]
    fetched = current.fetch(tmp_path / "copy")
    assert hashlib.sha256((fetched / "model.tflite").read_bytes()).hexdigest() == current.sha256
    assert find_faults(current) == []
    assert registry.rollback() == 2
    assert registry.collect(1) == ()  # 3 is the newest, 2 the current one, 1 the way back
    registry.promote(3)
    assert registry.collect(1) == (1,)
    assert [event.action for event in registry.history()] == ["push"] * 3 + ["rollback", "promote", "gc"]
    assert len(s3.ls("edge/models/digits/objects")) == 2


def test_a_byte_that_changed_is_found(registry, s3, model):
    registry.push(model, {"identity": "a"})
    (path,) = s3.glob("edge/models/digits/objects/*/model.tflite")
    content = bytearray(s3.cat_file(path))
    content[100] ^= 1
    s3.pipe_file(path, bytes(content))
    (fault,) = find_faults(registry.current())
    assert "must have the sha256 of its manifest" in fault


class Cutting:
    """A proxy on loopback that cuts a connection after so many bytes from the client."""

    def __init__(self, target, after: int) -> None:
        self.cut = False
        self._target, self._left = target, after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            threading.Thread(target=self._pump, args=(server, client, None), daemon=True).start()
            threading.Thread(target=self._pump, args=(client, server, self), daemon=True).start()

    def _pump(self, source, sink, counted) -> None:
        try:
            while data := source.recv(4096):
                if counted is not None:
                    self._left -= len(data)
                    if self._left < 0:
                        self.cut = True
                        break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            end.close()

    def close(self) -> None:
        self._listener.close()


@pytest.mark.parametrize("after", [3_000, 12_000, 14_000])
def test_an_upload_that_breaks_off_shows_nothing(registry, s3, server, model, monkeypatch, after):
    registry.push(model, {"identity": "a"})
    proxy = Cutting(server, after)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    model.write_bytes(b"b" * 10_000)
    with pytest.raises(
        RegistryError, match=r"The registry s3://edge/models/digits must be able to .* nothing half-written"
    ):
        Registry("s3://edge/models/digits").push(model, {"identity": "b"})
    assert proxy.cut, "the fault is real"
    proxy.close()
    assert registry.numbers() == [1]
    assert registry.current().version == 1
    assert find_faults(registry.current()) == []
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server))
    assert registry.push(model, {"identity": "b"}).version == 2


def test_two_writers_never_share_a_number(s3, tmp_path):
    errors = []

    def write(name: str) -> None:
        path = tmp_path / name
        for turn in range(3):
            path.write_bytes(f"{name}{turn}".encode() * 1000)
            try:
                Registry("s3://edge/shared").push(path, {"identity": f"{name}{turn}"})
            except Exception as error:
                errors.append(error)

    writers = [threading.Thread(target=write, args=(name,)) for name in ("one", "two", "three")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert errors == []
    registry = Registry("s3://edge/shared")
    assert registry.numbers() == list(range(1, 10))
    assert len({version.sha256 for version in registry.versions()}) == 9
    assert all(find_faults(version) == [] for version in registry.versions())
    assert registry.current().version in registry.numbers()


def test_notes_of_writers_at_once_each_get_a_number_of_their_own(s3):
    told = []

    def write(name: str) -> None:
        notes = Notes(Registry("s3://edge/noted").storage, "cycles")
        told.extend((notes.add(lambda number: {"by": name}), name) for _ in range(3))

    writers = [threading.Thread(target=write, args=(name,)) for name in ("one", "two", "three")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(number for number, _ in told) == list(range(1, 10))
    # As Kubeflow's launcher names the same place.
    notes = Notes(Registry("minio://edge/noted").storage, "cycles")
    assert all(notes.read(number) == {"by": name} for number, name in told)
    assert s3.ls("edge/noted/cycles", detail=False)[0] == "edge/noted/cycles/00000001.json"


def test_data_are_listed_with_the_tags_of_their_contents(s3):
    for span, content in ((1, b"one"), (2, b"two"), (3, b"one")):
        s3.pipe_file(f"edge/data/span-{span}/part", content)
    s3.pipe_file("edge/data/span-4/", b"")
    s3.pipe_file("edge/data-2/span-9/part", b"another")
    spec = IngestSpec(
        "tfrecord", "y", "multiclass", {}, (SplitShare("train", "", 0, 1, 1),), path="s3://edge/data/span-{SPAN}"
    )
    found = resolve(spec)
    md5 = [hashlib.md5(content).hexdigest() for content in (b"one", b"two")]
    assert [(file.span, file.sha256) for file in found.files] == [(1, f"etag:{md5[0]}"), (2, f"etag:{md5[1]}")]
    assert found.notes.repeated_files == ("s3://edge/data/span-3/part repeats s3://edge/data/span-1/part",)
    with pytest.raises(InputError, match="must name at least one span"):
        resolve(replace(spec, path="s3://nowhere/data/span-{SPAN}"))


def test_folders_of_recordings_are_fetched_many_at_a_time_and_a_file_that_is_gone_is_told(s3, tmp_path, monkeypatch):
    for number in range(40):
        wavfile.write(tmp_path / "a.wav", 8, np.int16([number, 0]))
        s3.put_file(str(tmp_path / "a.wav"), f"edge/sounds/{'yes' if number % 2 else 'no'}/{number}.wav")
    spec = IngestSpec(
        "audio", "word", "multiclass", {}, (SplitShare("train", "", 0, 1, 1),), path="s3://edge/sounds",
        audio=AudioOptions(8, 2),
    )  # fmt: skip
    found = resolve(spec)
    assert [(file.path, file.size_bytes) for file in found.files] == [
        ("s3://edge/sounds/no", 20 * 48),
        ("s3://edge/sounds/yes", 20 * 48),
    ]
    at_once = most = 0
    fetch = type(s3)._get_file

    async def counted(self, *args, **kwargs):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await fetch(self, *args, **kwargs)
        at_once -= 1

    monkeypatch.setattr(type(s3), "_get_file", counted)
    monkeypatch.setattr("components.places._BATCH_FILES", 15)
    records = [record for file in found.files for record in READERS["audio"](file, found)]
    assert len(set(records)) == 40
    assert most == 15
    s3.rm("edge/sounds/no/8.wav")
    changed = resolve(spec)
    assert [old.sha256 == new.sha256 for old, new in zip(found.files, changed.files, strict=True)] == [False, True]
    listed = Listing.of("s3://edge/sounds/yes")
    monkeypatch.setattr(Listing, "of", lambda uri: listed)
    s3.rm("edge/sounds/yes/9.wav")
    with pytest.raises(
        Unreachable, match="s3://edge/sounds/yes must be there to be read, but reading it gave: FileNotFound"
    ):
        list(READERS["audio"](found.files[1], found))


def test_a_rollback_while_others_push_and_collect_leaves_a_whole_current_version(s3, tmp_path):
    registry = Registry("s3://edge/raced")
    path = tmp_path / "model"
    for number in range(4):
        path.write_bytes(f"{number}".encode() * 1000)
        registry.push(path, {"identity": str(number)})
    said = []

    def roll_back() -> None:
        try:
            Registry("s3://edge/raced").rollback(1)
        except RegistryError as error:
            said.append(str(error))

    def collect() -> None:
        Registry("s3://edge/raced").collect(1)

    workers = [threading.Thread(target=work) for work in (roll_back, collect)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    current = registry.current()
    assert find_faults(current) == []
    if said:
        assert "Version 1 must" in said[0]
    else:
        assert current.version == 1
    assert [event.number for event in registry.history()] == list(range(1, len(registry.history()) + 1))


def test_a_bucket_that_is_not_there_is_named(s3, model):
    with pytest.raises(RegistryError, match=r"must be in a bucket that exists; there is no nowhere"):
        Registry("s3://nowhere/models").push(model, {"identity": "a"})
    with pytest.raises(RegistryError, match=r"must be in a bucket that exists"):
        Registry("s3://nowhere/models").numbers()


def test_an_address_where_nobody_answers(s3, model, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(RegistryError, match=r"must be able to .*Check the address, the bucket and the credentials"):
        Registry("s3://edge/models").push(model, {"identity": "a"})


def test_a_scheme_that_nobody_knows_is_refused():
    with pytest.raises(RegistryError, match=r"push.to must be a folder or a URI that fsspec can open; gopher://x gave"):
        Registry("gopher://x")


class Careless(MemoryFileSystem):
    """A store that takes a second object of the same name, whatever it is asked."""

    protocol = "careless"

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("careless://", "memory://"))

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        return super().pipe_file(path, value, mode="overwrite", **kwargs)


def test_a_store_that_cannot_refuse_a_second_object_is_refused(model):
    fsspec.register_implementation("careless", Careless, clobber=True)
    files = fsspec.filesystem("careless")
    files.pipe_file("/edge/twice", b"1", mode="create")
    files.pipe_file("/edge/twice", b"2", mode="create")
    assert files.cat_file("/edge/twice") == b"2", "the fault is real"
    registry = Registry("careless://edge/models")
    with pytest.raises(RegistryError, match=r"must be on a store that refuses to create an object twice"):
        registry.push(model, {"identity": "a"})
    assert files.find("/edge/models") == [], "nothing is left, the probe neither"

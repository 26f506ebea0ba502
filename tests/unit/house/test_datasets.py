"""Example data arrives whole, the same every time, or not at all."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

from pipeline import datasets
from pipeline.cli import main
from pipeline.datasets import Archive, fetch
from pipeline.errors import UserError
from pipeline.tfrecord import crc32c, encode_example, write_tfrecord


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_checksum_is_castagnolis():
    # RFC 3720, appendix B.4, and the check value of the CRC catalogue.
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(bytes(range(32))) == 0x46DD794E


def test_an_example_is_encoded_as_worked_by_hand():
    # Example{1: Features{1: entry{1: "a", 2: Feature{3: Int64List{1: packed 1, 300}}}}}; 300 is AC 02 as a varint.
    int64_list = bytes([0x0A, 3, 1, 0xAC, 0x02])
    feature = bytes([0x1A, len(int64_list)]) + int64_list
    entry = b"\x0a\x01a" + bytes([0x12, len(feature)]) + feature
    features = bytes([0x0A, len(entry)]) + entry
    assert encode_example({"a": [1, 300]}) == bytes([0x0A, len(features)]) + features
    with pytest.raises(ValueError, match="0 or more"):
        encode_example({"a": [-1]})


def test_tensorflow_reads_what_we_write(tmp_path):
    import tensorflow as tf

    examples = [{"image": list(range(300)), "label": [7]}, {"image": [2**40], "label": []}]
    assert write_tfrecord(tmp_path / "x.tfrecord", examples) == 2
    records = list(tf.data.TFRecordDataset(str(tmp_path / "x.tfrecord")).as_numpy_iterator())
    for record, example in zip(records, examples, strict=True):
        features = tf.train.Example.FromString(record).features.feature
        assert {name: list(value.int64_list.value) for name, value in features.items()} == example


def test_the_digits_are_all_there_and_the_same_every_time(tmp_path):
    import tensorflow as tf
    from sklearn.datasets import load_digits

    first, second = (fetch("digits", tmp_path / name / "digits") for name in "ab")
    assert first.created
    assert second.created
    assert listing(first.folder) == listing(second.folder)
    files = sorted(str(path) for path in first.folder.iterdir() if not path.name.startswith(("_", ".")))
    assert [Path(file).name for file in files] == sorted(first.sha256)
    seen = []
    for record in tf.data.TFRecordDataset(files).as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature
        image = list(feature["image"].int64_list.value)
        assert len(image) == 64
        seen.append((image, feature["label"].int64_list.value[0]))
    digits = load_digits()
    real = [
        ([int(pixel) for pixel in image], int(label)) for image, label in zip(digits.data, digits.target, strict=True)
    ]
    assert len(seen) == len(digits.target) == 1797
    assert sorted(seen) == sorted(real)


def test_a_second_fetch_checks_what_is_there(tmp_path):
    folder = tmp_path / "digits"
    first = fetch("digits", folder)
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    again = fetch("digits", folder)
    assert not again.created
    assert again.sha256 == first.sha256
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    name = sorted(first.sha256)[0]
    (folder / name).write_bytes(b"other")
    with pytest.raises(UserError, match=f"{name} must have sha256 .*Remove"):
        fetch("digits", folder)
    (folder / name).unlink()
    with pytest.raises(UserError, match="no such file"):
        fetch("digits", folder)
    (folder / datasets.SOURCE).write_text("[]")
    with pytest.raises(UserError, match="holds something else"):
        fetch("digits", folder)


def test_a_folder_of_the_user_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(UserError, match="holds something else"):
        fetch("digits", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_a_killed_fetch_left_goes_and_a_failed_one_leaves_nothing(tmp_path, monkeypatch):
    leftover = tmp_path / ".digits.incoming-0"
    leftover.mkdir()
    (leftover / "half").touch()
    monkeypatch.setattr(datasets, "write_tfrecord", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(UserError, match=r"disk full.*--to"):
        fetch("digits", tmp_path / "digits")
    assert [path.name for path in tmp_path.iterdir()] == [".digits.lock"]


@pytest.fixture
def archive(monkeypatch, tmp_path) -> Path:
    path = tmp_path / "have" / "fashion_mnist.npz"
    path.parent.mkdir()
    path.write_bytes(b"PK images")
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(datasets.ARCHIVES, "fashion-mnist", Archive(path.name, checksum, "its repository"))
    return path


def test_an_archive_is_copied_after_its_checksum_was_right(archive, tmp_path):
    folder = tmp_path / "fashion"
    fetched = fetch("fashion-mnist", folder, archive, {})
    assert (fetched.created, listing(folder)) == (True, {archive.name: archive.read_bytes()})
    assert not fetch("fashion-mnist", folder, None, {}).created
    (folder / archive.name).write_bytes(b"other")
    with pytest.raises(UserError, match="must have sha256"):
        fetch("fashion-mnist", folder, archive, {})


def test_an_archive_is_found_by_edge_data(archive, tmp_path):
    assert fetch("fashion-mnist", tmp_path / "fashion", None, {"EDGE_DATA": str(archive.parent)}).created


@pytest.mark.parametrize("environ", [{}, {"EDGE_DATA": "/nowhere"}])
def test_a_missing_archive_says_where_to_get_it(archive, tmp_path, environ):
    with pytest.raises(UserError, match="Get it from its repository, then give it: --from FILE"):
        fetch("fashion-mnist", tmp_path / "fashion", None, environ)


def test_another_file_is_refused_and_not_kept(archive, tmp_path):
    archive.write_bytes(b"truncated")
    with pytest.raises(UserError, match=r"have/fashion_mnist\.npz must have sha256"):
        fetch("fashion-mnist", tmp_path / "fashion", archive, {})
    assert listing(tmp_path / "fashion") == {}


def test_the_real_fashion_mnist_has_the_checksum_we_ask_for():
    folder = Path(os.environ.get("EDGE_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")
    path = folder / "fashion_mnist.npz"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    assert datasets.file_sha256(path) == datasets.ARCHIVES["fashion-mnist"].sha256


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", place], check=False).returncode:
        pytest.skip("this container may not mount a tmpfs")
    try:
        with pytest.raises(OSError, match="No space"):  # the fault is real
            (place / "probe").write_bytes(bytes(100_000))
        (place / "probe").unlink()
        with pytest.raises(UserError, match="No space left"):
            fetch("digits", place / "digits")
        assert [path.name for path in place.iterdir()] == [".digits.lock"]
    finally:
        subprocess.run(["umount", place], check=True)


def test_the_command_answers_people_and_programs(tmp_path, capsys):
    folder = tmp_path / "digits"
    assert main(["data", "fetch", "digits", "--to", str(folder)]) == 0
    assert capsys.readouterr().out == f"digits: 3 files in {folder} (written)\n"
    assert main(["data", "fetch", "digits", "--to", str(folder), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["name"], result["path"], result["created"], len(result["sha256"])) == (
        "digits",
        str(folder),
        False,
        3,
    )
    assert main(["data", "fetch", "digits", "--from", "x"]) == 2
    assert main(["data", "fetch", "nothing"]) == 2


@pytest.mark.parametrize(
    ("name", "rows", "head", "first"),
    [
        ("diabetes", 442, "age,sex,bmi,bp,s1,s2,s3,s4,s5,s6,progression", "59,2,32.1,101,157,93.2,38,4,4.8598,87,151"),
        ("breast-cancer", 569, "mean_radius,mean_texture,", "17.99,10.38,122.8,"),
    ],
)
def test_tables_are_written_once_and_checked(tmp_path, name, rows, head, first):
    fetched = fetch(name, tmp_path / "table", None, {})
    (file,) = fetched.sha256
    lines = (tmp_path / "table" / file).read_text().splitlines()
    assert len(lines) == rows + 1
    assert lines[0].startswith(head)
    assert lines[1].startswith(first)
    assert not fetch(name, tmp_path / "table", None, {}).created
    with pytest.raises(UserError, match="--from must be left out"):
        fetch(name, tmp_path / "other", tmp_path, {})
    with (tmp_path / "table" / file).open("a") as stream:
        stream.write("more\n")
    with pytest.raises(UserError, match="must have sha256"):
        fetch(name, tmp_path / "table", None, {})

"""Examples in files, kept or not: always the same ones in the same order, and nothing left behind."""

import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from compression import reading
from compression.data import ELEMENT_BYTES, Split
from compression.determinism import seed_everything
from compression.errors import CompressionError
from compression.reading import kept, prepared
from compression.records import Records, TrainingRecords
from compression.room import Room, cgroup_bytes
from compression.settings import TrainSettings
from compression.settings.reading import ReadingSettings
from compression.training import train

FEATURES = {"x": tf.io.FixedLenFeature([2], tf.float32), "label": tf.io.FixedLenFeature([], tf.int64)}
SIZES = (40, 0, 100, 7, 60)
COUNT = sum(SIZES)
AMPLE = Room(2**40, 2**40)


def _record(number: int, **more: list[int]) -> bytes:
    feature = {
        "x": tf.train.Feature(float_list=tf.train.FloatList(value=[number, -number])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 3])),
    } | {name: tf.train.Feature(int64_list=tf.train.Int64List(value=values)) for name, values in more.items()}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


@pytest.fixture(scope="module")
def records(tmp_path_factory) -> Records:
    """Examples 0, 1, 2, ... in several files, one of them empty."""
    folder, number, files = tmp_path_factory.mktemp("records"), 0, []
    for position, size in enumerate(SIZES):
        files.append(str(folder / f"part-{position}.gz"))
        with tf.io.TFRecordWriter(files[-1], "GZIP") as writer:
            for _ in range(size):
                writer.write(_record(number))
                number += 1
    return Records(tuple(files), FEATURES, "label", "multiclass")


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def _order(split: Split, epochs: int = 2, **how) -> list[list[int]]:
    batches = split.batches(16, **how)
    return [[int(x) for features, _ in batches for x in features["x"][:, 0]] for _ in range(epochs)]


@pytest.mark.parametrize("at_once", [1, 20, COUNT])
def test_what_is_kept_and_where_changes_nothing_about_the_order(records, temporary, at_once):
    split = records.split(["x"])
    each = ELEMENT_BYTES + split.facts.content_bytes / COUNT
    how = {"shuffle_seed": 5, "shuffle_bytes": int(each * (at_once + 0.5))}
    expected = _order(split, **how)
    for epoch in expected:
        assert sorted(epoch) == list(range(COUNT))
    assert expected[0] != expected[1]
    assert _order(split, **how) == expected
    assert _order(split, **how | {"shuffle_seed": 6}) != expected
    for cache in ("memory", "disk"):
        with kept(split, cache) as read:
            assert _order(read, **how) == expected
            assert _order(read, epochs=1) == [list(range(COUNT))]
            assert read.facts == split.facts


@pytest.mark.methods
def test_what_is_kept_and_where_changes_no_bit_of_the_model(records, temporary):
    """Dropout: its random numbers move on with every batch that Keras asks for, and it may ask for one too many."""

    def trained(cache: str) -> list[bytes]:
        seed_everything(1)
        x = keras.Input((2,), name="x")
        hidden = keras.layers.Dropout(0.5, seed=1)(keras.layers.Dense(8, activation="relu")(x))
        model = keras.Model(x, keras.layers.Dense(3, activation="softmax")(hidden))
        read = TrainingRecords(records, records, "multiclass", 1, ReadingSettings(cache=cache)).for_features(["x"])
        with prepared(read) as data:
            train(model, data, TrainSettings(epochs=3, batch_size=32))
        return [values.tobytes() for values in model.get_weights()]

    expected = trained("none")
    assert trained("memory") == expected
    assert trained("disk") == expected


def test_a_split_that_fits_is_shuffled_as_one_and_a_larger_one_by_files_first(records):
    split = records.split(["x"])
    whole = tf.data.Dataset.range(COUNT).shuffle(COUNT, seed=5)
    assert _order(split, epochs=1, shuffle_seed=5) == [[int(number) for number in whole]]
    # No buffer at all: the order of files changes all the same, and neighbours come from several.
    first, second = _order(split, shuffle_seed=5, shuffle_bytes=1)
    assert first != second
    assert max(first[:64]) - min(first[:64]) > 64


def test_one_pass_tells_all_that_training_asks(records):
    facts = records.split(["x"]).facts
    assert (facts.size, facts.parts) == (COUNT, SIZES)
    assert facts.content_bytes == sum(len(_record(number)) for number in range(COUNT))
    assert facts.labels == {"": {0: 69, 1: 69, 2: 69}}


def test_files_are_read_once_when_they_are_kept_in_memory(tmp_path):
    path = tmp_path / "part.gz"
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for number in range(50):
            writer.write(_record(number))
    records = Records((str(path),), FEATURES, "label", "multiclass")
    with prepared(TrainingRecords(records, records, "multiclass", seed=1).for_features(["x"])) as data:
        path.unlink()
        assert sorted(_order(data.train, epochs=1, shuffle_seed=1)[0]) == list(range(50))
        assert data.train.take_arrays(3)[0]["x"].tolist() == [[0, 0], [1, -1], [2, -2]]
        assert data.validation.facts.labels == {"": {0: 17, 1: 17, 2: 16}}


@pytest.mark.parametrize(
    ("room", "place"),
    [(Room(2**30, 2**30), "memory"), (Room(100, 2**30), "disk"), (Room(100, 100), "none")],
)
def test_auto_takes_memory_then_disk_then_nothing(records, temporary, room, place):
    split = records.split(["x"])
    with kept(split, "auto", lambda folder: room) as read:
        files = [path.name for path in temporary.rglob("0*")]
        chosen = "memory" if not hasattr(read.source, "files") else "disk" if files else "none"
        assert chosen == place
        assert read.facts == split.facts
        assert _order(read, epochs=1) == [list(range(COUNT))]
    assert list(temporary.iterdir()) == []


def test_memory_is_measured_decoded(records, temporary):
    # Twelve bytes an example: two floats, and a label of eight.
    for memory, fits in ((4 * 16 * COUNT, True), (4 * 16 * COUNT - 4, False)):
        with kept(records.split(["x"]), "auto", lambda folder, memory=memory: Room(memory, 0)) as read:
            assert hasattr(read.source, "files") is not fits


def test_the_folder_is_gone_after_a_failure_too(records, temporary):
    with pytest.raises(ZeroDivisionError), kept(records.split(["x"]), "disk"):
        assert len(list(temporary.rglob("0*"))) == len(SIZES)
        raise ZeroDivisionError
    assert list(temporary.iterdir()) == []


def test_a_full_disk_is_an_error_only_when_the_disk_was_asked_for(records, temporary, monkeypatch):
    class Full:
        def __init__(self, path):
            Path(path).touch()

        def write(self, record):
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

        def close(self):
            pass

    monkeypatch.setattr(reading.tf.io, "TFRecordWriter", Full)
    split = records.split(["x"])
    message = r"`cache: disk` must find room .* error after 0 bytes: No space left .* TMPDIR"
    with pytest.raises(CompressionError, match=message), kept(split, "disk"):
        pass
    with kept(split, "auto", lambda folder: Room(0, 2**40)) as read:
        assert read.source == split.source
        assert read.size == COUNT
    assert list(temporary.iterdir()) == []


def test_features_of_no_fixed_size_are_kept_as_records(tmp_path):
    path = tmp_path / "part.gz"
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for number in range(4):
            writer.write(_record(number, words=list(range(number))))
    features = FEATURES | {"words": tf.io.VarLenFeature(tf.int64)}
    split = Records((str(path),), features, "label", "multiclass").split(["words"])
    with kept(split, "memory") as read:
        assert not hasattr(read.source, "files")
        ((found, _),) = read.batches(4)
        assert found["words"].values.numpy().tolist() == [0, 0, 1, 0, 1, 2]


def test_arrays_are_shuffled_like_files_of_the_same_sizes(records):
    numbers = np.arange(COUNT, dtype=np.float32)
    arrays = Split.from_arrays({"x": np.stack([numbers, -numbers], axis=1)}, np.arange(COUNT) % 3)
    assert _order(arrays, shuffle_seed=2) == _order(records.split(["x"]), shuffle_seed=2)
    assert Counter(arrays.facts.labels[""]) == {0: 69, 1: 69, 2: 69}
    with kept(arrays, "disk") as read:
        assert read is arrays


def test_the_bytes_of_the_shuffle_are_bounded():
    facts = Split.from_arrays({"x": np.zeros((1000, 256), np.float32)}, np.zeros(1000, np.int64)).facts
    # 1,024 bytes of x, 8 of the label, and what an element costs.
    assert facts.shuffled_at_once(100 * (1032 + ELEMENT_BYTES)) == 100
    assert facts.shuffled_at_once(1) == 1
    assert facts.shuffled_at_once(2**40) == 1000


def test_limits_of_containers_count(tmp_path):
    def group(folder: str, **files: object) -> None:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name, value in files.items():
            (tmp_path / folder / name.replace("__", ".")).write_text(f"{value}\n")

    member = tmp_path / "cgroup"
    member.write_text("0::/pod/main\n")
    group("pod/main", memory__max="max", memory__current=10, memory__stat="anon 3\ninactive_file 4")
    assert cgroup_bytes(member, tmp_path) == []
    group("pod", memory__max=1000, memory__current=300, memory__stat="anon 3\ninactive_file 100")
    assert cgroup_bytes(member, tmp_path) == [800]
    member.write_text("7:cpu:/x\n5:memory:/docker/abc\n")
    group("memory", memory__limit_in_bytes=500, memory__usage_in_bytes=600, memory__stat="total_inactive_file 50")
    assert cgroup_bytes(member, tmp_path) == [0]
    assert cgroup_bytes(tmp_path / "absent", tmp_path) == []


def test_the_settings_refuse_what_makes_no_sense():
    for wrong in ({"cache": "ram"}, {"shuffle_bytes": 0}, {"class_weights": {"0": 0.0}}, {"class_weights": "even"}):
        with pytest.raises(ValueError, match="validation error"):
            ReadingSettings(**wrong)

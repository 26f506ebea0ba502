"""Records on their way through files: none lost, none twice, in order, one file and a bounded part at a time."""

import hashlib
import random

import pytest
import tensorflow as tf
from tfx.dsl.io import fileio

from components import record_shuffle
from components.ingest_read import ReadRecords
from components.ingest_spec import IngestSpec, Limits, SourceFile, SplitShare
from components.record_shuffle import Spill, merged

RECORDS = [bytes([number % 251]) * (number % 40) + str(number // 2).encode() for number in range(600)]


def digest(record):
    return hashlib.sha256(record).digest()


def spilled(folder, records, flush_every=50):
    spill, pieces = Spill(str(folder), 1), {}
    for number, record in enumerate(records):
        spill.add(number % 3, digest(record), record)
        if number % flush_every == flush_every - 1:
            for key, piece in spill.flush():
                pieces.setdefault(key, []).append(piece)
    assert spill.flush() == []
    return pieces


@pytest.mark.parametrize("most_bytes", [2_000, 10**9])
def test_each_key_gets_its_records_in_order_repeats_too(tmp_path, most_bytes):
    pieces = spilled(tmp_path, [*RECORDS, *RECORDS[:300]])
    for key in range(3):
        wanted = sorted([*RECORDS, *RECORDS[:300]][key::3], key=lambda record: (digest(record), record))
        random.Random(key).shuffle(pieces[key])
        assert list(merged(pieces[key], most_bytes)) == wanted


class Watched:
    """A file that tells how much was read of all of them."""

    read_bytes = 0
    open_files = 0

    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        assert Watched.open_files == 0
        Watched.open_files += 1
        return self

    def __exit__(self, *_):
        Watched.open_files -= 1
        self.stream.close()

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def read(self, size):
        Watched.read_bytes += size
        return self.stream.read(size)


def test_one_file_is_open_at_a_time_and_one_part_is_read_at_a_time(tmp_path, monkeypatch):
    opened = fileio.open
    monkeypatch.setattr(record_shuffle.fileio, "open", lambda path, mode: Watched(opened(path, mode)))
    monkeypatch.setattr(Watched, "read_bytes", 0)
    pieces = spilled(tmp_path, RECORDS)[0]
    size = sum(piece.size_bytes for piece in pieces)
    seen = []
    for _ in merged(pieces, size // 4):
        if Watched.read_bytes not in seen:
            seen.append(Watched.read_bytes)
    assert len(seen) == 5
    # Chance fills the parts, and the record after a part is looked at once more.
    assert max(after - before for before, after in zip([0, *seen], seen, strict=False)) < 1.6 * size / 5
    assert seen[-1] <= 1.2 * size


def test_a_piece_that_ends_early_is_refused(tmp_path):
    pieces = spilled(tmp_path, RECORDS)
    last = max(pieces[0][0], pieces[1][0], pieces[2][0], key=lambda piece: piece.offset)
    with open(last.path, "r+b") as stream:  # noqa: PTH123 - to cut it
        stream.truncate(last.offset + last.size_bytes - 1)
    with pytest.raises(OSError, match="ends early"):
        list(merged([last]))


def reader(tmp_path, limits=None):
    path = tmp_path / "in"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number in range(90):
            feature = {"label": tf.train.Feature(int64_list=tf.train.Int64List(value=[number % 3]))}
            feature["x"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[number]))
            writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    file = SourceFile(str(path), "", 1, "")
    shares = (SplitShare("train", "", 0, 2, 3), SplitShare("eval", "", 2, 3, 3))
    spec = IngestSpec("tfrecord", "label", "multiclass", {}, shares, (file,), limits=limits or Limits())
    return ReadRecords(spec, str(tmp_path / "spilled")), file


def outcome(bundle):
    tagged = [item for item in bundle if hasattr(item, "tag")]
    pieces = [getattr(item, "value", item) for item in bundle if not hasattr(item, "tag")]
    return pieces, dict(item.value.value for item in tagged)


def test_a_bundle_that_is_tried_again_counts_once(tmp_path, monkeypatch):
    monkeypatch.setattr(record_shuffle, "SPILL_BYTES", 2_000)
    read, file = reader(tmp_path)
    read.start_bundle()
    lost = list(read.process(file))  # written, but never handed on: the bundle failed before its end
    read.start_bundle()
    pieces, facts = outcome([*read.process(file), *read.finish_bundle()])
    assert len(lost) > 2
    assert {piece.path for _, piece in lost}.isdisjoint(piece.path for _, piece in pieces)
    assert sum(len(list(merged([piece]))) for _, piece in pieces) == 90
    assert facts["example", "train"] + facts["example", "eval"] == 90
    assert sum(count for fact, count in facts.items() if fact[0] == "class") == 90


def test_facts_are_handed_on_once_for_a_bundle(tmp_path):
    read, file = reader(tmp_path)
    read.start_bundle()
    handed = [*read.process(file), *read.process(file), *read.finish_bundle()]
    facts = [item for item in handed if hasattr(item, "tag")]
    assert len(facts) == 2 + 2 * 3

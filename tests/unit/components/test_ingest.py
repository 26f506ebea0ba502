"""Ingest: the data contract, splits that depend on content alone, bytes that depend on nothing else."""

import hashlib
import itertools

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
from tfx.types.standard_artifacts import Examples

from components import ingest_read, record_shuffle
from components.errors import InputError
from components.ingest import SPILL_FOLDER, Ingest, read_facts
from components.ingest_spec import IngestSpec, Limits, SourceFile, SplitShare

SHARES = (SplitShare("train", "", 0, 6, 10), SplitShare("validation", "", 6, 8, 10), SplitShare("eval", "", 8, 10, 10))


def example(pixels, label) -> bytes:
    feature = {}
    if pixels is not None:
        feature["image"] = tf.train.Feature(float_list=tf.train.FloatList(value=pixels))
    if label is not None:
        value = (
            tf.train.Feature(float_list=tf.train.FloatList(value=[label]))
            if isinstance(label, float)
            else tf.train.Feature(int64_list=tf.train.Int64List(value=[label]))
        )
        feature["label"] = value
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def sound_records(count=200, classes=3):
    return [example([i / 7, i % 5, 1.0], i % classes) for i in range(count)]


def write(folder, records, name="data-0"):
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / name
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


def spec_of(*paths, task="multiclass", shares=SHARES, **changes):
    files = tuple(SourceFile(str(path), "", path.stat().st_size, "") for path in paths)
    fields = {"format": "tfrecord", "label": "label", "task": task, "arrays": {}, "shares": shares, "files": files}
    return IngestSpec(**(fields | changes))


def ingest(spec, folder):
    examples = Examples()
    examples.uri = str(folder)
    pipeline = beam.Pipeline("FnApiRunner")
    Ingest.test_call(examples=examples, spec=spec.to_json(), code_sha256="", beam_pipeline=pipeline)
    return examples


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.gz"))}


def records_of(folder, split):
    files = sorted(str(path) for path in (folder / f"Split-{split}").glob("*"))
    return list(tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator())


def test_splits_cover_all_records_once(tmp_path):
    records = sound_records()
    examples = ingest(spec_of(write(tmp_path / "in", records)), tmp_path / "out")
    assert examples.split_names == '["train", "validation", "eval"]'
    got = list(itertools.chain.from_iterable(records_of(tmp_path / "out", s) for s in ("train", "validation", "eval")))
    parse = tf.train.Example.FromString
    assert sorted(parse(r).SerializeToString(deterministic=True) for r in got) == sorted(
        parse(r).SerializeToString(deterministic=True) for r in records
    )


def test_split_is_the_bucket_of_the_record_hash(tmp_path):
    records = sound_records()
    ingest(spec_of(write(tmp_path / "in", records)), tmp_path / "out")
    for split, buckets in (("train", range(6)), ("validation", range(6, 8)), ("eval", range(8, 10))):
        for record in records_of(tmp_path / "out", split):
            assert int.from_bytes(hashlib.sha256(record).digest()[:8], "big") % 10 in buckets


def test_bytes_do_not_depend_on_order_or_files(tmp_path):
    records = sound_records()
    one = write(tmp_path / "one", records)
    two = [write(tmp_path / "two", records[120:][::-1], "b"), write(tmp_path / "two", records[:120], "a")]
    ingest(spec_of(one), tmp_path / "out1")
    ingest(spec_of(*two), tmp_path / "out2")
    assert contents(tmp_path / "out1") == contents(tmp_path / "out2") != {}


def test_repeated_records_are_kept_on_one_side(tmp_path):
    records = [*sound_records(), *[example([9.0, 9.0, 9.0], 1)] * 5]
    ingest(spec_of(write(tmp_path / "in", records)), tmp_path / "out")
    nine = np.full(3, 9, np.float32).tobytes()
    found = {s: sum(nine in r for r in records_of(tmp_path / "out", s)) for s in ("train", "validation", "eval")}
    assert sorted(found.values()) == [0, 0, 5]


def test_given_splits_read_their_own_folder(tmp_path):
    shares = tuple(SplitShare(s, s, 0, 1, 1) for s in ("train", "validation", "eval"))
    files = []
    for offset, split in enumerate(("train", "validation", "eval")):
        path = write(tmp_path / split, sound_records(30)[offset * 10 :])
        files.append(SourceFile(str(path), split, 1, ""))
    ingest(spec_of(shares=shares, files=tuple(files)), tmp_path / "out")
    assert read_facts(str(tmp_path / "out")).examples == {"train": 30, "validation": 20, "eval": 10}


def test_npz_arrays_become_examples(tmp_path):
    path = tmp_path / "data.npz"
    images = np.arange(80, dtype=np.uint8).reshape(20, 2, 2)
    np.savez(path, x_a=images, y_a=np.arange(20) % 2, x_b=images[:6], y_b=np.arange(6) % 2)
    shares = (
        SplitShare("train", "a", 0, 1, 2),
        SplitShare("validation", "a", 1, 2, 2),
        SplitShare("eval", "b", 0, 1, 1),
    )
    files = tuple(SourceFile(str(path), source, 1, "") for source in ("a", "b"))
    arrays = {"image": "x_{split}", "label": "y_{split}"}
    ingest(spec_of(format="npz", arrays=arrays, shares=shares, files=files), tmp_path / "out")
    parsed = map(tf.train.Example.FromString, records_of(tmp_path / "out", "eval"))
    got = {tuple(example.features.feature["image"].int64_list.value) for example in parsed}
    assert got == {tuple(image.ravel()) for image in images[:6]}


def truncate(path):
    path.write_bytes(path.read_bytes()[:-7])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damage", [truncate, flip])
def test_damaged_file_is_named_with_the_place(tmp_path, damage):
    path = write(tmp_path / "in", sound_records())
    damage(path)
    with pytest.raises(tf.errors.DataLossError):  # the fault is real
        list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    with pytest.raises(InputError, match=rf"{path}: corrupt or truncated after record \d+"):
        ingest(spec_of(path), tmp_path / "out")


FAULTS = {
    "label missing": ([example([1.0], None)] * 3, "multiclass", r"label 'label' must be present .* 3 record\(s\)"),
    "label no integer": ([example([1.0], 1.5)], "multiclass", r"label 'label' must be one integer; 1 record\(s\)"),
    "not a number": ([example([float("nan")], 1)] * 2, "multiclass", r"'image' must hold finite numbers.* 2 record"),
    "infinite label": ([example([1.0], float("inf"))], "regression", r"feature 'label' must hold finite numbers"),
    "binary label of 2": ([example([1.0], 2)], "binary", r"must be 0 or 1 for a binary task"),
    "negative label": ([example([1.0], -1)], "multiclass", r"must not be negative"),
    "no example": ([b"\xff\xff\xff"], "multiclass", r"must be serialized tf.Example messages; 1 record"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_record_faults_are_counted_and_named(tmp_path, name):
    bad, task, message = FAULTS[name]
    classes = 2 if task == "binary" else 3
    path = write(tmp_path / "in", [*sound_records(classes=classes), *bad])
    with pytest.raises(InputError, match=message):
        ingest(spec_of(path, task=task), tmp_path / "out")


def test_single_class_is_refused(tmp_path):
    path = write(tmp_path / "in", sound_records(classes=1))
    with pytest.raises(InputError, match=r"train must hold at least two classes of 'label', got \[0\]"):
        ingest(spec_of(path), tmp_path / "out")


def test_class_of_eval_must_occur_in_train(tmp_path):
    shares = tuple(SplitShare(s, s, 0, 1, 1) for s in ("train", "validation", "eval"))
    parts = {"train": sound_records(20, 2), "validation": sound_records(20, 2), "eval": sound_records(20, 3)}
    files = tuple(SourceFile(str(write(tmp_path / s, part)), s, 1, "") for s, part in parts.items())
    must = r"every class of eval must occur in train; class\(es\) \[2\] of 'label' \(6 eval"
    with pytest.raises(InputError, match=must):
        ingest(spec_of(shares=shares, files=files), tmp_path / "out")


def test_empty_split_is_refused(tmp_path):
    path = write(tmp_path / "in", [example([1.0], 1)] * 4)
    with pytest.raises(InputError, match=r"every split must hold examples; .* got none of 4 records"):
        ingest(spec_of(path), tmp_path / "out")


def test_spec_survives_json():
    spec = IngestSpec("npz", "y", "binary", {"x": "x_{split}"}, SHARES, (SourceFile("a", "", 3, "ff"),))
    assert IngestSpec.from_json(spec.to_json()) == spec


def test_records_of_a_split_stand_in_the_order_of_their_hashes(tmp_path, monkeypatch):
    monkeypatch.setattr(record_shuffle, "SPILL_BYTES", 3_000)
    monkeypatch.setattr(ingest_read, "SHARD_BYTES", 3_000)
    records = sound_records()
    path = write(tmp_path / "in", records)
    (tmp_path / "out" / SPILL_FOLDER).mkdir(parents=True)
    (tmp_path / "out" / SPILL_FOLDER / "left-over").write_bytes(b"of a bundle that failed")
    ingest(spec_of(path), tmp_path / "out")
    assert not (tmp_path / "out" / SPILL_FOLDER).exists()
    shards = 1 + path.stat().st_size // 3_000
    wanted = {}
    for record in records:
        canonical = tf.train.Example.FromString(record).SerializeToString(deterministic=True)
        digest = hashlib.sha256(canonical).digest()
        bucket, shard = int.from_bytes(digest[:8], "big") % 10, int.from_bytes(digest[8:16], "big") % shards
        split = "train" if bucket < 6 else "validation" if bucket < 8 else "eval"
        name = f"Split-{split}/data_tfrecord-{shard:05d}-of-{shards:05d}.gz"
        wanted.setdefault(name, []).append((digest, canonical))
    files = sorted((tmp_path / "out").glob("Split-*/*"))
    read = {
        path.relative_to(tmp_path / "out").as_posix(): list(
            tf.data.TFRecordDataset(str(path), compression_type="GZIP").as_numpy_iterator()
        )
        for path in files
    }
    assert read == {name: [record for _, record in sorted(pairs)] for name, pairs in wanted.items()}


def test_a_failure_leaves_no_spilled_records(tmp_path, monkeypatch):
    monkeypatch.setattr(record_shuffle, "SPILL_BYTES", 3_000)
    path = write(tmp_path / "in", sound_records())
    with pytest.raises(InputError, match="at most 150 examples"):
        ingest(spec_of(path, limits=Limits(examples=150)), tmp_path / "out")
    assert not (tmp_path / "out" / SPILL_FOLDER).exists()

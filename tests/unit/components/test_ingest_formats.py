"""Formats, groups, splits by a column and limits, through ingest itself."""

import json
from dataclasses import replace

import apache_beam as beam
import fsspec
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy.io import wavfile
from tfx.types.standard_artifacts import Examples

from components import places
from components.errors import InputError
from components.ingest import Ingest, read_facts, read_window
from components.ingest_spec import AudioOptions, ImageOptions, IngestSpec, Limits, SplitShare
from components.source_files import resolve

SPLITS = ("train", "validation", "eval")
SHARES = tuple(SplitShare(split, "", first, first + 1, 3) for first, split in enumerate(SPLITS))


def spec_of(path, format_, **changes):
    fields = {"format": format_, "label": "label", "task": "multiclass", "arrays": {}, "shares": SHARES}
    return IngestSpec(**(fields | {"path": str(path)} | changes))


def ingest(spec, folder):
    examples = Examples()
    examples.uri = str(folder)
    Ingest.test_call(examples=examples, spec=spec.to_json(), code_sha256="", beam_pipeline=beam.Pipeline("FnApiRunner"))
    return examples


def column(folder, split, name):
    files = [str(path) for path in (folder / f"Split-{split}").glob("*")]
    found = []
    for record in tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator():
        feature = tf.train.Example.FromString(record).features.feature[name]
        found += getattr(feature, feature.WhichOneof("kind")).value
    return found


@pytest.fixture
def tables(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    rows = [f"{i % 3},{i},person{i % 20},{SPLITS[i % 3]}" for i in range(120)]
    (folder / "a.csv").write_text("\n".join(["label,x,who,fold", *rows[:60]]) + "\n")
    (folder / "b.csv").write_text("\n".join(["label,x,who,fold", *rows[60:-1], "2,0.5,person1,train"]) + "\n")
    return folder


def test_a_spec_survives_its_json(tmp_path):
    spec = spec_of(tmp_path, "images", classes={"label": ("a", "b")}, images=ImageOptions(1, 2, 3), limits=Limits(5))
    assert IngestSpec.from_json(spec.to_json()) == spec


def test_one_type_holds_for_all_files_of_a_table(tables, tmp_path):
    ingest(spec_of(tables, "csv"), tmp_path / "out")
    values = [value for split in SPLITS for value in column(tmp_path / "out", split, "x")]
    assert len(values) == 120
    assert {type(value) for value in values} == {float}
    assert sorted(values)[:3] == [0.0, 0.5, 1.0]


def test_a_group_never_stands_on_both_sides(tables, tmp_path):
    ingest(spec_of(tables, "csv", group_by="who"), tmp_path / "out")
    groups = [set(column(tmp_path / "out", split, "who")) for split in SPLITS]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 20
    assert all(groups)


def test_a_column_says_the_split(tables, tmp_path):
    shares = tuple(SplitShare(split, "", 0, 1, 1, (split,)) for split in SPLITS)
    ingest(spec_of(tables, "csv", shares=shares, split_column="fold", task="regression", label="x"), tmp_path / "out")
    for split in SPLITS:
        assert set(column(tmp_path / "out", split, "fold")) == {split.encode()}
    with pytest.raises(InputError, match=r"feature 'fold' must have a value that data\.splits names"):
        ingest(spec_of(tables, "csv", shares=shares[:2], split_column="fold"), tmp_path / "less")


def test_records_without_their_group_are_refused(tables, tmp_path):
    with (tables / "b.csv").open("a") as stream:
        stream.write("1,5,,train\n")
    with pytest.raises(InputError, match=r"feature 'who', by which data\.group_by groups, must have exactly one value"):
        ingest(spec_of(tables, "csv", group_by="who"), tmp_path / "out")


@pytest.mark.parametrize(("limits", "said"), [(Limits(examples=100), "100 examples"), (Limits(bytes=500), "500 bytes")])
def test_more_than_the_limit_ends_the_reading(tables, tmp_path, limits, said):
    with pytest.raises(Exception, match=f"the data may hold at most {said}"):
        ingest(spec_of(tables, "csv", limits=limits), tmp_path / "out")


def test_a_damaged_table_is_named_with_the_others_read(tables, tmp_path):
    (tables / "c.csv").write_text("label,x,who,fold\n1,2\n")
    with pytest.raises(InputError, match=r"c\.csv: it must be a CSV file"):
        ingest(spec_of(tables, "csv"), tmp_path / "out")


@pytest.fixture
def pictures(tmp_path):
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / "in" / name).mkdir(parents=True)
        for i in range(30):
            Image.new("L", (5, 4), 100 * number + i).save(tmp_path / "in" / name / f"{i}.png")
    return tmp_path / "in"


def image_spec(path, **options):
    return resolve(spec_of(path, "images", images=ImageOptions(4, 4, 1, "crop", **options)))


def test_folders_of_images_become_classes(pictures, tmp_path):
    spec = image_spec(pictures)
    assert spec.classes == {"label": ("cat", "dog")}
    ingest(spec, tmp_path / "out")
    classes = read_facts(tmp_path / "out").classes["label"]
    assert {label: sum(classes[split].get(label, 0) for split in SPLITS) for label in (0, 1)} == {0: 30, 1: 30}


def test_unreadable_images_are_counted_and_may_be_too_many(pictures, tmp_path):
    (pictures / "cat" / "3.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"at most 0 file\(s\) may be unreadable .* but 1 are: .*cat/3\.png"):
        ingest(image_spec(pictures), tmp_path / "out")
    ingest(image_spec(pictures, max_unreadable=1), tmp_path / "more")
    (told,) = read_window(tmp_path / "more")["notes"]["unreadable_files"]
    assert "cat/3.png" in told


def test_an_image_that_was_replaced_changes_the_spec(pictures):
    before = image_spec(pictures)
    Image.new("L", (5, 4), 250).save(pictures / "dog" / "1.png")
    after = image_spec(pictures)
    changed = [old.path for old, new in zip(before.files, after.files, strict=True) if old != new]
    assert changed == [str(pictures / "dog")]


def test_a_folder_that_is_no_named_class_is_refused(pictures):
    with pytest.raises(InputError, match=r"must be among data.label_names \(cat\), but there is dog"):
        resolve(spec_of(pictures, "images", images=ImageOptions(4, 4, 1), classes={"label": ("cat",)}))


def test_recordings_become_classes_with_a_limit_of_unreadable_ones(tmp_path):
    for number, name in enumerate(("no", "yes")):
        (tmp_path / "in" / name).mkdir(parents=True)
        for i in range(30):
            wavfile.write(tmp_path / "in" / name / f"{i}.wav", 8, np.int16([number + 1, i, 3]))
    (tmp_path / "in" / "_background_noise_").mkdir()
    (tmp_path / "in" / "_background_noise_" / "hum.wav").touch()
    (tmp_path / "in" / "no" / "31.wav").touch()
    audio = AudioOptions(8, 3)
    with pytest.raises(
        InputError, match=r"at most 0 file\(s\) may be unreadable \(data\.audio\.max_unreadable\), but 1"
    ):
        ingest(resolve(spec_of(tmp_path / "in", "audio", audio=audio)), tmp_path / "out")
    spec = resolve(spec_of(tmp_path / "in", "audio", audio=replace(audio, max_unreadable=1)))
    assert IngestSpec.from_json(spec.to_json()) == spec
    ingest(spec, tmp_path / "more")
    assert sum(len(column(tmp_path / "more", split, "audio")) for split in SPLITS) == 2 * 30 * 3
    assert spec.classes == {"label": ("no", "yes")}


def test_who_speaks_is_in_the_names_of_files_and_stands_on_one_side(tmp_path):
    for number in range(60):
        folder = tmp_path / "in" / ("yes" if number % 2 else "no")
        folder.mkdir(parents=True, exist_ok=True)
        wavfile.write(folder / f"{number // 6:02d}_nohash_{number}.wav", 8, np.int16([number]))
    (tmp_path / "in" / "no" / "nameless.wav").touch()
    audio = AudioOptions(8, 1, max_unreadable=1, group="([^_]+)_")
    ingest(resolve(spec_of(tmp_path / "in", "audio", audio=audio, group_by="group")), tmp_path / "out")
    groups = [set(column(tmp_path / "out", split, "group")) for split in SPLITS]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 10
    assert all(groups)
    (told,) = read_window(tmp_path / "out")["notes"]["unreadable_files"]
    assert told.endswith("no/nameless.wav must have a name in which ([^_]+)_ finds a group")


def test_images_on_a_store_are_those_of_a_folder_and_are_fetched_many_at_a_time(pictures, tmp_path, monkeypatch):
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    (pictures / "cat" / "broken.png").write_bytes(b"\x89PNG")
    memory.put(str(pictures), "/bucket/", recursive=True)
    fetched = []
    get = type(memory).get
    monkeypatch.setattr(type(memory), "get", lambda self, paths, to: fetched.append(len(paths)) or get(self, paths, to))
    monkeypatch.setattr(places, "_BATCH_FILES", 20)
    for path, out in ((pictures, "local"), ("memory://bucket/in", "remote")):
        ingest(image_spec(path, max_unreadable=1), tmp_path / out)
    for split in SPLITS:
        assert column(tmp_path / "local", split, "image") == column(tmp_path / "remote", split, "image")
        assert column(tmp_path / "local", split, "label") == column(tmp_path / "remote", split, "label")
    assert sorted(fetched) == [10, 11, 20, 20]
    (told,) = read_window(tmp_path / "remote")["notes"]["unreadable_files"]
    assert told.startswith("memory://bucket/in/cat/broken.png: ")
    memory.store.clear()


def test_window_notes_are_json(tables, tmp_path):
    ingest(spec_of(tables, "csv"), tmp_path / "out")
    assert json.dumps(read_window(tmp_path / "out")["notes"]["unreadable_files"]) == "[]"

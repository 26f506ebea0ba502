"""Ingest over spans: each span once, in its newest version, apart on disk, and the same wherever it is resolved."""

import apache_beam as beam
import pytest
import tensorflow as tf
from tfx.dsl.io import fileio
from tfx.types.standard_artifacts import Examples

from components.errors import InputError
from components.ingest import Ingest, read_facts, read_window, span_pattern
from components.ingest_spec import IngestSpec, SplitShare
from components.source_files import resolve

SHARES = (SplitShare("train", "", 0, 5, 10), SplitShare("validation", "", 5, 6, 10), SplitShare("eval", "", 6, 10, 10))


def record(span: int, number: int) -> bytes:
    values = {"image": [span, number, number % 7], "label": [number % 3]}
    feature = {key: tf.train.Feature(int64_list=tf.train.Int64List(value=value)) for key, value in values.items()}
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(deterministic=True)


def write(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for one in records:
            writer.write(one)


@pytest.fixture
def data(tmp_path):
    """Three spans of 60 records; the second has an older version with other records."""
    root = tmp_path / "data"
    for span, version in ((1, 1), (2, 1), (2, 2), (4, 1)):
        write(root / f"{span}/{version}/part", [record(10 * span + version, number) for number in range(60)])
    return root


def spec_of(root, **changes):
    fields = {"format": "tfrecord", "label": "label", "task": "multiclass", "arrays": {}, "shares": SHARES}
    return IngestSpec(**(fields | {"path": f"{root}/{{SPAN}}/{{VERSION}}"} | changes))


def ingest(spec, folder) -> Examples:
    examples = Examples()
    examples.uri = str(folder)
    Ingest.test_call(examples=examples, spec=spec.to_json(), code_sha256="", beam_pipeline=beam.Pipeline("FnApiRunner"))
    return examples


def span_files(examples_uri, split, span):
    return sorted(fileio.glob(span_pattern(examples_uri, split, span)))


def records_of(paths):
    return list(tf.data.TFRecordDataset(paths, compression_type="GZIP").as_numpy_iterator())


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_span_is_read_once_in_its_newest_version(data, tmp_path):
    examples = ingest(resolve(spec_of(data)), tmp_path / "out")
    found = read_window(examples.uri)
    assert [(span["span"], span["version"], span["files"]) for span in found["spans"]] == [
        (1, 1, 1),
        (2, 2, 1),
        (4, 1, 1),
    ]
    assert all(sum(span["examples"].values()) == 60 for span in found["spans"])
    assert found["notes"]["missing_spans"] == [3]
    assert found["notes"]["superseded"] == [f"{data}/2/1"]
    assert sum(read_facts(examples.uri).examples.values()) == 180
    assert (examples.span, examples.version) == (4, 1)


def test_a_span_has_files_of_its_own(data, tmp_path):
    examples = ingest(resolve(spec_of(data)), tmp_path / "out")
    for span, source in ((1, 11), (2, 22), (4, 41)):
        held = [
            one
            for split in ("train", "validation", "eval")
            for one in records_of(span_files(examples.uri, split, span))
        ]
        assert sorted(held) == sorted(record(source, number) for number in range(60))


def test_newest_judges_alone_and_no_older_eval_record_is_trained_on(data, tmp_path):
    whole = ingest(resolve(spec_of(data)), tmp_path / "window")
    newest = ingest(resolve(spec_of(data, eval_on="newest")), tmp_path / "newest")
    for split in ("train", "validation"):
        for span in (1, 2, 4):
            assert records_of(span_files(newest.uri, split, span)) == records_of(span_files(whole.uri, split, span))
    assert span_files(newest.uri, "eval", 1) == span_files(newest.uri, "eval", 2) == []
    assert records_of(span_files(newest.uri, "eval", 4)) == records_of(span_files(whole.uri, "eval", 4)) != []


def test_ingest_that_looks_itself_writes_the_same_bytes(data, tmp_path):
    spec = spec_of(data, spans=2, eval_on="newest")
    ingest(resolve(spec), tmp_path / "planned")
    ingest(spec, tmp_path / "itself")
    assert contents(tmp_path / "planned") == contents(tmp_path / "itself") != {}
    assert [span["span"] for span in read_window(str(tmp_path / "itself"))["spans"]] == [2, 4]


def test_a_repeated_delivery_counts_once(data, tmp_path):
    (data / "5/1").mkdir(parents=True)
    (data / "5/1/again").write_bytes((data / "4/1/part").read_bytes())
    write(data / "5/1/new", [record(51, number) for number in range(60)])
    spec = resolve(spec_of(data))
    assert [file.path for file in spec.files if file.span == 5] == [f"{data}/5/1/new"]
    assert spec.notes.repeated_files == (f"{data}/5/1/again repeats {data}/4/1/part",)
    assert sum(read_facts(ingest(spec, tmp_path / "out").uri).examples.values()) == 240


def test_a_damaged_file_is_named_with_its_span(data, tmp_path):
    path = data / "4/1/part"
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(InputError, match=f"span 4: {path}: corrupt or truncated after record 59"):
        ingest(resolve(spec_of(data)), tmp_path / "out")


def test_a_specification_survives_json(data):
    spec = resolve(spec_of(data, spans=2))
    assert IngestSpec.from_json(spec.to_json()) == spec

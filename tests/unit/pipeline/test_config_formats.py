"""Keys of `data` that only some formats know."""

import pytest

from pipeline import preflight
from pipeline.config import load
from pipeline.errors import UserError

HEAD = "name: t\nmodel: {module: models.digits, task: multiclass}\nvariants: {a: [quantize: {mode: int8}]}\n"
GATE = "gate: {metric: accuracy, max_drop: 0.1}\n"


def faults(tmp_path, data):
    (tmp_path / "c.yaml").write_text(f"{HEAD}{GATE}data: {data}\n")
    with pytest.raises(UserError) as refused:
        load(tmp_path / "c.yaml")
    return str(refused.value)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            "{format: tfrecord, path: d, label: y, columns: {x: int}}",
            "data.columns: must be left out unless format is csv",
        ),
        (
            "{format: parquet, path: d, label: y, delimiter: ';'}",
            "data.delimiter: must be left out unless format is csv",
        ),
        ("{format: csv, path: d, label: y, columns: {x: double}}", "data.columns.x"),
        ("{format: images, path: d, label: y}", "data.images: must be given when format is images"),
        ("{format: images, path: d, label: y, images: {height: 0, width: 4}}", "data.images.height"),
        ("{format: csv, path: d, label: y, images: {height: 4, width: 4}}", "data.images: must be left out unless"),
        ("{format: audio, path: d, label: y}", "data.audio: must be given when format is audio"),
        ("{format: audio, path: d, label: y, audio: {sample_rate: 8000}}", "data.audio.samples"),
        (
            "{format: images, path: d, label: y, audio: {sample_rate: 1, samples: 1}}",
            "data.audio: must be left out unless",
        ),
        (
            "{format: audio, path: d, label: y, group_by: speaker, audio: {sample_rate: 8, samples: 8, group: '(.)'}}",
            "data.group_by: must be group when format is audio, and data.audio.group must say how a file's name",
        ),
        (
            "{format: images, path: d, label: y, group_by: group, images: {height: 4, width: 4}}",
            "data.group_by: must be group when format is images",
        ),
        (
            "{format: images, path: d, label: y, images: {height: 4, width: 4, group: '(.'}}",
            "data.images.group: must be a regular expression, but missing )",
        ),
        (
            "{format: images, path: d, label: y, images: {height: 4, width: 4, group: 'a.'}}",
            "data.images.group: must be a regular expression with one group in parentheses",
        ),
        (
            "{format: audio, path: d, label: {a: y, b: z}, audio: {sample_rate: 8, samples: 8}}",
            "data.label: must be one feature when format is audio",
        ),
        (
            "{format: csv, path: d, label: y, splits: {column: f, train: [1], validation: [2], eval: [1]}}",
            "data.splits.eval: must share no values with train",
        ),
        (
            "{format: csv, path: d, label: y, group_by: g, splits: {column: f, train: [1], validation: [2], eval: [3]}"
            "}",
            "data.group_by: must be left out when splits name a column",
        ),
        ("{format: csv, path: d, label: y, limits: {examples: 0}}", "data.limits.examples"),
        ("{format: csv, path: d, label: y, splits: half}", "data.splits"),
    ],
)
def test_faults_name_their_key(tmp_path, data, said):
    assert said in faults(tmp_path, data)


def test_splits_by_a_column_keep_their_values_as_text(tmp_path):
    splits = "{column: fold, train: [1, 2], validation: [three], eval: [4]}"
    (tmp_path / "c.yaml").write_text(f"{HEAD}{GATE}data: {{format: csv, path: d, label: y, splits: {splits}}}\n")
    data = load(tmp_path / "c.yaml").data
    assert data.splits_by_column
    assert {name: part.values for name, part in data.splits.ranges().items()} == {
        "train": ("1", "2"),
        "validation": ("three",),
        "eval": ("4",),
    }


def test_a_table_that_is_not_there_is_no_folder_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(f"{HEAD}{GATE}data: {{format: csv, path: data/t/t.csv, label: y}}\n")
    with pytest.raises(UserError) as refused:
        preflight.check(load(tmp_path / "c.yaml"))
    told = (
        "data.path: must be an existing file or folder; got data/t/t.csv, which does not exist; tfx-edge data fetch t"
    )
    assert told in str(refused.value)

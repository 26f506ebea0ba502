"""Data that must not be trained on: the run stops in front of the trainer and names feature, file and count."""

import math
import re
import shutil
from pathlib import Path

import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

pytestmark = pytest.mark.integration


def read(folder: Path) -> list[tf.train.Example]:
    files = sorted(str(path) for path in folder.glob("[!_]*"))
    return [tf.train.Example.FromString(record) for record in tf.data.TFRecordDataset(files).as_numpy_iterator()]


def write(path: Path, examples) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            writer.write(example.SerializeToString())
    return path


def label(example) -> int:
    return example.features.feature["label"].int64_list.value[0]


def truncated(digits, folder):
    shutil.copytree(digits, folder)
    path = max(folder.glob("[!_]*"))
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(tf.errors.DataLossError):
        read(folder)
    return f"{path}: corrupt or truncated after record"


def corrupt(digits, folder):
    shutil.copytree(digits, folder)
    path = min(folder.glob("[!_]*"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(bytes(content))
    with pytest.raises(tf.errors.DataLossError):
        read(folder)
    return f"{path}: corrupt or truncated after record"


def label_missing(digits, folder):
    examples = read(digits)
    for example in examples[100:107]:
        del example.features.feature["label"]
    path = write(folder / "data", examples)
    assert sum("label" not in example.features.feature for example in read(folder)) == 7
    return f"{path}: label 'label' must be present in every record with exactly one value; 7 record(s) break this"


def not_a_number(digits, folder):
    examples = read(digits)
    for example in examples[5:8]:
        pixels = [float(pixel) for pixel in example.features.feature["image"].int64_list.value]
        example.features.feature["image"].float_list.value[:] = [math.nan, *pixels[1:]]
    path = write(folder / "data", examples)
    values = [value for example in read(folder) for value in example.features.feature["image"].float_list.value]
    assert sum(map(math.isnan, values)) == 3
    return f"{path}: feature 'image' must hold finite numbers, no NaN and no infinity; 3 record(s) break this"


def single_class(digits, folder):
    write(folder / "data", [example for example in read(digits) if label(example) == 3])
    assert {label(example) for example in read(folder)} == {3}
    return "train must hold at least two classes of 'label', got [3]"


CASES = [truncated, corrupt, label_missing, not_a_number, single_class]


@pytest.mark.parametrize("spoil", CASES, ids=lambda case: case.__name__)
def test_spoiled_data_stops_in_ingest(spoil, tmp_path, digits, make_config, call, pushed):
    expected = spoil(digits, tmp_path / "data")
    config = make_config(tmp_path, data={"path": str(tmp_path / "data")})
    ended = call("run", config, "--json")
    assert ended.code == ended.result["exit_code"] == 1
    first, log, resume = ended.err.splitlines()
    assert first.startswith("ingest failed: the data breaks the contract: ")
    assert expected in first
    assert Path(log.removeprefix("log      ")).is_file()
    assert re.fullmatch(rf"resume   \S*python\S* -m pipeline run {re.escape(str(config))}", resume)
    assert ended.result["status"] == "failed"
    assert ended.nodes["ingest"] == "failed"
    assert {*ended.nodes.values()} == {"failed", "not_run"}
    assert pushed(tmp_path / "workspace") == {}


def test_class_that_train_lacks_stops_in_ingest(tmp_path, digits, make_config, call):
    examples = read(digits)
    write(tmp_path / "data/train/part", [example for example in examples[:900] if label(example) != 7])
    write(tmp_path / "data/validation/part", [example for example in examples[900:1100] if label(example) != 7])
    path = write(tmp_path / "data/eval/part", examples[1100:])
    sevens = sum(label(example) == 7 for example in read(path.parent))
    assert sevens > 0
    splits = {"train": "train", "validation": "validation", "eval": "eval"}
    ended = call("run", make_config(tmp_path, data={"path": str(tmp_path / "data"), "splits": splits}))
    assert ended.code == 1
    expected = f"every class of eval must occur in train; class(es) [7] of 'label' ({sevens} eval example(s)) do not"
    assert expected in ended.err.splitlines()[0]
    assert "nothing pushed" in ended.out


def test_schema_that_the_data_break_stops_before_training(tmp_path, digits, trained, make_config, call, pushed):
    schema = schema_pb2.Schema()
    for name, length, highest in (("image", 64, 9), ("label", 1, 9)):
        feature = schema.feature.add(name=name, type=schema_pb2.INT)
        feature.presence.min_fraction = 1
        feature.shape.dim.add(size=length)
        feature.int_domain.min, feature.int_domain.max = 0, highest
    path = tmp_path / "schema.pbtxt"
    path.write_text(text_format.MessageToString(schema))
    pixels = [pixel for example in read(digits) for pixel in example.features.feature["image"].int64_list.value]
    assert max(pixels) == 16
    before = pushed(trained)
    config = make_config(tmp_path, data={"schema": str(path)}, runtime={"workspace": str(trained)})
    ended = call("run", config, "--json")
    assert ended.code == 1
    first, *_ = ended.err.splitlines()
    assert first.startswith("data-guard failed: the data must fit its schema, but has ")
    assert "feature 'image'" in first
    assert "data.schema" in first
    assert ended.nodes["ingest"] == ended.nodes["statistics"] == "cached"
    assert ended.nodes["trainer"] == "not_run"
    assert pushed(trained) == before
    # Mended: what was sound comes from the cache, and the run ends well.
    ended = call("run", make_config(tmp_path, runtime={"workspace": str(trained)}), "--json")
    assert ended.code == 0
    assert ended.nodes["trainer"] == "cached"
    assert ended.result["status"] == "pushed"

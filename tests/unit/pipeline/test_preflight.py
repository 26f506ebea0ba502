"""What a configuration points to, looked at without importing anything."""

import json
import sys
import zipfile

import fsspec
import numpy as np
import pytest

from pipeline.errors import UserError
from pipeline.preflight import check, module_file, warnings

MODULE = "def preprocessing_fn(inputs): ...\n\n\ndef build_model(hparams): ...\n"
NPZ = '  format: npz\n  path: d.npz\n  label: label\n  arrays: {image: "x_{split}", label: "y_{split}"}\n'


@pytest.fixture
def project(configs, tmp_path, monkeypatch):
    """A working directory in which the base configuration passes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "data" / "digits").mkdir(parents=True)
    (tmp_path / "data" / "digits" / "a.tfrecord").write_bytes(b"x")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (tmp_path / "own" / "model.py").write_text(MODULE)
    configs.base = configs.base.replace("models.digits", "own.model")
    configs.folder = tmp_path
    return configs


def faults(project, text=None):
    config = project.load(text or project.base)
    with pytest.raises(UserError) as caught:
        check(config)
    return [line.removeprefix(f"{project.path}:") for line in str(caught.value).splitlines()]


def test_all_is_well_and_nothing_is_imported(project):
    check(project.load(project.base))
    assert "own" not in sys.modules


def test_a_search_needs_a_space(project):
    text = project.base.replace("  hparams: {filters: 16}\n", "  search: {trials: 3}\n")
    line = text.splitlines().index("  search: {trials: 3}") + 1
    module = project.folder / "own" / "model.py"
    assert faults(project, text) == [
        f"{line}: model.search: must come with the function search_space in the model module; got {module} without it"
    ]
    module.write_text(MODULE + "\n\ndef search_space(): ...\n")
    check(project.load(text))


def test_no_folder(project):
    text = project.base.replace("data/digits", "data/none")
    assert faults(project, text) == ["5: data.path: must be an existing folder; got data/none, which does not exist"]


def test_example_data_not_fetched_yet(project):
    (project.folder / "data/digits/a.tfrecord").unlink()
    (project.folder / "data/digits").rmdir()
    assert faults(project) == [
        "5: data.path: must be an existing folder; got data/digits, which does not exist; "
        "tfx-edge data fetch digits may put it there"
    ]


def test_a_file_for_a_folder(project):
    text = project.base.replace("data/digits", "own/model.py")
    assert faults(project, text) == ["5: data.path: must be a folder; got the file own/model.py"]


def test_empty_folder(project):
    (project.folder / "data/digits/a.tfrecord").rename(project.folder / "data/digits/_note")
    assert faults(project) == ["5: data.path: must hold at least one data file; got the empty folder data/digits"]


def test_sub_folders(project):
    (project.folder / "data/digits/train").mkdir()
    (project.folder / "data/digits/val").mkdir()
    (project.folder / "data/digits/val/a").write_bytes(b"x")
    text = project.base.replace("{train: 6, validation: 1, eval: 3}", "{train: train, validation: val, eval: test}")
    assert faults(project, text) == [
        "7: data.splits.train: must hold at least one data file; got the empty folder data/digits/train",
        "7: data.splits.eval: must be a folder in data/digits; got test beside train, val",
    ]


def npz_text(project):
    old = "  format: tfrecord\n  path: data/digits\n  label: label\n"
    text = project.base.replace(old, NPZ)
    return text.replace("{train: 6, validation: 1, eval: 3}", "{train: a, validation: b, eval: c}")


def test_npz(project):
    names = [f"{axis}_{split}" for axis in "xy" for split in "abc"]
    np.savez(project.folder / "d.npz", **{name: np.zeros(3) for name in names})
    check(project.load(npz_text(project)))
    np.savez(project.folder / "d.npz", **{name: np.zeros(3) for name in names if name not in ("y_b", "y_c")})
    assert faults(project, npz_text(project)) == [
        "7: data.arrays.label: must name arrays in d.npz: y_b, y_c; got none of that name among x_a, x_b, x_c, y_a"
    ]


def test_npz_that_is_none(project):
    text = npz_text(project)
    assert faults(project, text) == ["5: data.path: must be an existing .npz file; got d.npz, which does not exist"]
    (project.folder / "d.npz").write_bytes(b"not a zip")
    assert faults(project, text) == ["5: data.path: must be a readable .npz file; got d.npz (File is not a zip file)"]


def test_schema_file(project):
    text = project.base.replace("  label: label\n", "  label: label\n  schema: s.pbtxt\n")
    assert faults(project, text) == ["7: data.schema: must be an existing file; got s.pbtxt, which is none"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def build_model(h): ...\n", "must define the function preprocessing_fn; got own/model.py without it"),
        ("x = 1\ndef oops(:\n", "must be valid Python; got own/model.py:2: invalid syntax"),
        ("def preprocessing_fn(i): ...\nbuild_modle = 1\n", "must define the function build_model; got own/model.py"),
    ],
)
def test_module_content(project, source, message):
    (project.folder / "own/model.py").write_text(source)
    (fault,) = faults(project)
    assert fault.replace(f"{project.folder}/", "").startswith(f"9: model.module: {message}")


@pytest.mark.parametrize(
    "source",
    ["from elsewhere import build_model, preprocessing_fn\n", "from elsewhere import *\n"],
)
def test_functions_from_elsewhere_are_given_credit(project, source):
    (project.folder / "own/model.py").write_text(source)
    check(project.load(project.base))


def test_no_module(project):
    text = project.base.replace("own.model", "own.none")
    assert faults(project, text) == [
        "9: model.module: must name a Python module, such as own/none.py in the working directory; "
        "got own.none: not found"
    ]
    assert module_file("own.model.deeper") is None
    assert module_file("sys") is None


@pytest.mark.parametrize(
    ("section", "fault"),
    [
        (
            "edge: {profile: cpus}",
            'must be one of cpu, ethos-u, mcu, the files of configs/profiles; got "cpus"; did you mean cpu?',
        ),
        (
            "edge: {profile: phone}",
            'must be one of cpu, ethos-u, mcu, the files of configs/profiles; got "phone"',
        ),
    ],
)
def test_unknown_profile(project, section, fault):
    assert faults(project, f"{project.base}{section}\n") == [f"21: edge.profile: {fault}"]


def test_raw_inputs_need_a_profile_that_takes_them(project):
    raw = "export: {inputs: raw}\n"
    assert faults(project, f"{project.base}{raw}edge: {{profile: mcu}}\n") == [
        "21: export.inputs: must be transformed with profile mcu, whose inputs are int8; got raw, which are float32 or "
        "int64 or uint8"
    ]
    check(project.load(f"{project.base}{raw}edge: {{profile: cpu}}\n"))


def test_a_budget_that_nothing_can_measure(project):
    assert faults(project, f"{project.base}edge:\n  profile: mcu\n  max_latency_ms: 5\n") == [
        "23: edge.max_latency_ms: must be left out with profile mcu: no tool on a host can time a microcontroller; "
        "measure on the board; got 5.0"
    ]
    check(project.load(f"{project.base}edge: {{profile: mcu, max_size_bytes: 9, max_macs: 9}}\n"))


def pretrained_text(project, path):
    start, end = project.base.index("model:"), project.base.index("variants:")
    return f"{project.base[:start]}model: {{pretrained: {path}, task: multiclass}}\n{project.base[end:]}"


def test_pretrained_models_are_looked_at_from_outside(project):
    """By their first bytes and lists of contents: `validate` has no TensorFlow."""
    folder = project.folder / "saved"
    folder.mkdir()
    (project.folder / "broken.h5").write_bytes(b"none")
    for name, version in (("old.keras", "2.21.0"), ("new.keras", "3.15.1")):
        with zipfile.ZipFile(project.folder / name, "w") as archive:
            archive.writestr("metadata.json", json.dumps({"keras_version": version}))
    kind = "must be a .keras or .h5 or .hdf5 file or the folder of a SavedModel"
    messages = {
        "none.keras": f"{kind}; got none.keras, which does not exist; save it in one of these formats",
        "own/model.py": f"{kind}; got the file own/model.py; save it in one of these formats",
        "saved": "must hold saved_model.pb; got saved without it; name the folder with it",
        "broken.h5": "must be a readable .h5 file; got broken.h5, damaged or something else (its first bytes are not "
        "those of HDF5); save the model again",
        "new.keras": "must be one of tf_keras (Keras 2); got new.keras, saved by Keras 3.15.1; write "
        "model.export(FOLDER) where it was trained and name that folder: quantize can take it, other steps cannot",
    }
    for path, message in messages.items():
        assert faults(project, pretrained_text(project, path)) == [f"8: model.pretrained: {message}"]
    (folder / "saved_model.pb").write_bytes(b"")
    for path in ("saved", "old.keras"):
        check(project.load(pretrained_text(project, path)))


def test_beside_a_pretrained_model_a_module_need_not_build_one(project):
    (project.folder / "saved").mkdir()
    (project.folder / "saved" / "saved_model.pb").write_bytes(b"")
    text = pretrained_text(project, "saved, module: own.model")
    (project.folder / "own/model.py").write_text("def preprocessing_fn(inputs): ...\n")
    check(project.load(text))
    (project.folder / "own/model.py").write_text("def build_model(hparams): ...\n")
    assert faults(project, text) == [
        f"8: model.module: must define the function preprocessing_fn; got {project.folder}/own/model.py without it"
    ]


def test_all_faults_at_once(project):
    (project.folder / "own/model.py").write_text("")
    text = project.base.replace("data/digits", "none").replace("  label: label\n", "  label: label\n  schema: s\n")
    assert [fault.split(": must")[0] for fault in faults(project, text)] == [
        "5: data.path",
        "7: data.schema",
        "10: model.module",
        "10: model.module",
    ]


@pytest.fixture
def store():
    files = fsspec.filesystem("memory")
    files.store.clear()
    yield files
    files.store.clear()


def test_data_on_a_store(project, store):
    text = project.base.replace("data/digits", "memory://bucket/digits")
    assert faults(project, text) == [
        "5: data.path: must be an existing folder; got memory://bucket/digits, which does not exist"
    ]
    store.pipe_file("/bucket/digits/a.tfrecord", b"x")
    config = project.load(text)
    check(config)
    assert warnings(config) == [], "what lies elsewhere is not counted"
    text = project.base.replace("data/digits", "gopher://bucket/digits")
    (fault,) = faults(project, text)
    assert fault.startswith(
        "5: data.path: must name a place that can be listed; got gopher://bucket/digits, which gave: "
    )


def test_spans_on_a_store(project, store):
    text = project.base.replace("data/digits", "memory://bucket/span-{SPAN}")
    (fault,) = faults(project, text)
    assert "must name at least one span that holds data, as memory://bucket/span-{SPAN}" in fault
    store.pipe_file("/bucket/span-3/a.tfrecord", b"x")
    check(project.load(text))
    (fault,) = faults(project, text.replace("memory://", "gopher://"))
    assert "data.path: must name a place that can be listed; got gopher://bucket" in fault


def test_an_archive_on_a_store(project, store):
    text = project.base.replace("data/digits", "memory://bucket/digits.npz").replace("format: tfrecord", "format: npz")
    text = text.replace("  label: label\n", "  label: label\n  arrays: {image: x, label: y}\n")
    assert "must be an existing .npz file" in faults(project, text)[0]
    store.pipe_file("/bucket/digits.npz", b"looked at by ingest")
    check(project.load(text))

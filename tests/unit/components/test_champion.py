"""The champion and its parents: what is there is copied, what is not is said in words."""

import json
import shutil

import fsspec
import pytest
import tf_keras as keras
from tfx.types.standard_artifacts import Model, TransformGraph

from components import lineage, model_artifact
from components.champion import NO_CHAMPION, Champion, read_parent, read_standing
from compression import keras_models
from pipeline.champion import resolve
from registry import Registry, RegistryError

FILE = b"a TFLite file"


def small_model():
    x = keras.Input((3,), name="x")
    return keras.Model(x, keras.layers.Dense(2, activation="softmax")(x))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """What a Trainer leaves, once."""
    folder = tmp_path_factory.mktemp("saved")
    keras_models.save(small_model(), folder / "Format-Serving")
    return folder


@pytest.fixture
def made(tmp_path, saved):
    """The artifacts of an earlier run."""
    model, graph = Model(), TransformGraph()
    model.uri, graph.uri = str(tmp_path / "trainer" / "4"), str(tmp_path / "transform" / "3")
    shutil.copytree(saved, model.uri)
    (tmp_path / "transform" / "3" / "transform_fn").mkdir(parents=True)
    (tmp_path / "transform" / "3" / "transform_fn" / "saved_model.pb").write_bytes(b"graph")
    return {"float_model": model, "transform_graph": graph}


def push(root, content=FILE, identity="one", **manifest):
    file = root.parent / "file.tflite"
    file.write_bytes(content)
    return Registry(root).push(file, {"identity": identity, **manifest})


@pytest.fixture
def look(tmp_path):
    """`look(resolved="")` runs the component; returns the standing and both parents with their artifacts."""
    runs = []

    def run(resolved=""):
        runs.append(None)
        outputs = {"champion": Model(), "float_model": Model(), "transform_graph": TransformGraph()}
        for name, artifact in outputs.items():
            artifact.uri = str(tmp_path / f"run-{len(runs)}" / name)
        Champion.test_call(**outputs, registry=str(tmp_path / "registry"), resolved=resolved)
        parents = {name: read_parent(outputs[name].uri) for name in ("float_model", "transform_graph")}
        return read_standing(outputs["champion"].uri), parents, outputs

    return run


def test_before_the_first_push_there_is_none_and_that_is_said(look):
    standing, parents, outputs = look()
    assert (standing.version, standing.reason) == (None, NO_CHAMPION)
    assert [(parent.present, parent.reason) for parent in parents.values()] == [(False, NO_CHAMPION)] * 2
    assert [artifact.get_int_custom_property("present") for artifact in outputs.values()] == [0, 0, 0]


def test_the_current_version_and_its_parents_are_copied(look, made, tmp_path):
    described = {name: lineage.describe(artifact) for name, artifact in made.items()}
    push(tmp_path / "registry", lineage=described, export={"inputs": "raw"}, label_names=["a", "b"])
    standing, parents, outputs = look()
    assert (standing.version, standing.inputs, standing.label_names) == (1, "raw", ["a", "b"])
    assert model_artifact.tflite_path(outputs["champion"]).read_bytes() == FILE
    assert [artifact.get_int_custom_property("present") for artifact in outputs.values()] == [1, 1, 1]
    assert [artifact.get_int_custom_property("version") for artifact in outputs.values()] == [1, 1, 1]
    assert all(parent.present and not parent.reason for parent in parents.values())
    copied = model_artifact.load_keras(outputs["float_model"]).get_weights()
    pushed_from = model_artifact.load_keras(made["float_model"]).get_weights()
    assert all((ours == theirs).all() for ours, theirs in zip(copied, pushed_from, strict=True))
    assert (tmp_path / "run-1" / "transform_graph" / "transform_fn" / "saved_model.pb").read_bytes() == b"graph"


def test_a_run_keeps_to_the_version_that_it_was_planned_with(look, tmp_path):
    push(tmp_path / "registry")
    push(tmp_path / "registry", b"another file", "two")
    assert look(json.dumps({"version": 1, "sha256": ""}))[0].version == 1
    assert look(json.dumps({"version": None, "sha256": None}))[0].version is None
    assert look()[0].version == 2


def test_without_a_pointer_the_newest_version_is_the_champion(look, tmp_path):
    """As after a first push that was killed at its very end: there is something that must not be replaced unseen."""
    push(tmp_path / "registry")
    push(tmp_path / "registry", b"another file", "two")
    (tmp_path / "registry" / "current.json").unlink()
    assert look()[0].version == 2
    assert json.loads(resolve(str(tmp_path / "registry")))["version"] == 2
    assert json.loads(resolve(str(tmp_path / "elsewhere"))) == {"version": None, "sha256": None}


def break_gone(model):
    shutil.rmtree(model.uri)


def break_changed(model):
    next(path for path in model_artifact.tflite_path(model).parent.rglob("*.data*")).write_bytes(b"other weights")


@pytest.mark.parametrize(("spoil", "said"), [(break_gone, "is gone"), (break_changed, "changed since the push")])
def test_a_parent_that_is_not_as_it_was_is_not_used(look, made, tmp_path, spoil, said):
    push(tmp_path / "registry", lineage={name: lineage.describe(artifact) for name, artifact in made.items()})
    assert look()[1]["float_model"].present
    spoil(made["float_model"])
    _, parents, outputs = look()
    assert parents["float_model"].reason == f"{made['float_model'].uri} {said}"
    assert not model_artifact.tflite_path(outputs["float_model"]).parent.exists()
    assert parents["transform_graph"].present


def test_a_compressed_model_is_never_taken_for_the_float_one(look, made, tmp_path):
    """Neither a step's Keras model nor a TFLite file, whatever the manifest says."""
    step, file = Model(), Model()
    step.uri, file.uri = str(tmp_path / "prune"), str(tmp_path / "quantize")
    model_artifact.save_keras(small_model(), step, [{"step": "prune"}])
    model_artifact.save_tflite(FILE, file, [])
    for number, (artifact, said) in enumerate(((step, "the output of a compression step"), (file, "no Keras model"))):
        push(tmp_path / "registry", identity=str(number), lineage={"float_model": lineage.describe(artifact)})
        _, parents, _ = look()
        assert not parents["float_model"].present
        assert said in parents["float_model"].reason
        assert parents["transform_graph"].reason == "the manifest does not name it"


def test_a_damaged_champion_is_an_error(look, tmp_path):
    pushed = push(tmp_path / "registry")
    (pushed.path / "model.tflite").write_bytes(b"something else")
    with pytest.raises(RegistryError, match="Version 1 must hold the model with sha256"):
        look()


@pytest.fixture
def stored(made, tmp_path):
    """The same artifacts on a store, from where a manifest of a cluster names them."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    described = {}
    for name, artifact in made.items():
        uri = f"memory://bucket/root/{name}/1"
        files.put(artifact.uri, f"/bucket/root/{name}/1", recursive=True)
        described[name] = {"uri": uri, "sha256": lineage.tree_sha256(artifact.uri)}
        shutil.rmtree(artifact.uri)
    push(tmp_path / "registry", lineage=described)
    yield files
    files.store.clear()


def test_parents_on_a_store_are_fetched(look, stored, saved, tmp_path):
    _, parents, outputs = look()
    assert all(parent.present and not parent.reason for parent in parents.values())
    fetched = model_artifact.load_keras(outputs["float_model"]).get_weights()
    pushed_from = keras_models.load(saved / "Format-Serving").get_weights()
    assert all((ours == theirs).all() for ours, theirs in zip(fetched, pushed_from, strict=True))
    assert (tmp_path / "run-1" / "transform_graph" / "transform_fn" / "saved_model.pb").read_bytes() == b"graph"


def test_parents_on_a_store_that_are_not_as_they_were(look, stored, tmp_path):
    stored.pipe_file("/bucket/root/transform_graph/1/transform_fn/saved_model.pb", b"other")
    stored.rm("/bucket/root/float_model", recursive=True)
    _, parents, _ = look()
    assert parents["float_model"].reason == "memory://bucket/root/float_model/1 is gone"
    assert parents["transform_graph"].reason == "memory://bucket/root/transform_graph/1 changed since the push"
    assert [path.name for path in (tmp_path / "run-1" / "transform_graph").iterdir()] == ["parent.json"]


def test_a_store_that_does_not_answer_is_no_cold_start(look, stored, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError("Access Denied")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.find", refuse)
    with pytest.raises(RegistryError, match=r"must be readable at memory://.*PermissionError: Access Denied"):
        look()

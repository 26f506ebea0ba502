"""`registry list` and `registry show`: what they print of whole and of damaged registries."""

import json
import re
from pathlib import Path

import pytest
import yaml

from pipeline import cli
from pipeline.config import load
from pipeline.housekeeping import remove_old
from pipeline.workspace import Workspace
from registry import Registry

DIGITS = str(Path(__file__).parents[3] / "configs" / "digits.yaml")
MODEL = b"TFL3" + bytes(200)


def manifest(variant, value=0.96875):
    numbers = {"candidate": value, "baseline": 0.97, "drop": 0.97 - value, "drop_ci": [-0.01, 0.02]}
    return {
        "identity": variant,
        "name": "digits",
        "variant": variant,
        "steps": ["quantize int8"],
        "gate": {"confidence": 0.99, "examples": 540, "metrics": {"accuracy": numbers}},
        "edge": {"passed": True},
        "run_id": "20261122-170000-abcd",
    }


@pytest.fixture
def call(capsys, tmp_path):
    def run(*argv):
        code = cli.main(["registry", *argv, "--workspace", str(tmp_path)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def registry(tmp_path):
    """Two versions; the second is current."""
    model = tmp_path / "model.tflite"
    registry = Registry(tmp_path / "registry")
    for variant, content in (("int8", MODEL), ("pruned_int8", MODEL + b"x")):
        model.write_bytes(content)
        registry.push(model, manifest(variant))
    return registry


def test_list(call, registry):
    code, out, err = call("list", DIGITS)
    assert (code, err) == (0, "")
    head, first, second, note = out.splitlines()
    assert re.split(r"  +", head.strip()) == [
        "version", "pushed", "variant", "metric", "value", "bytes", "after gzip", "sha256"
    ]  # fmt: skip
    assert first.split()[0] == "1"
    whole = registry.current()
    date, time = whole.manifest["pushed_at"].removesuffix("Z").split("T")
    rest = ["pruned_int8", "accuracy", "0.9688", "205", str(whole.manifest["gzip_bytes"]), whole.sha256[:12]]
    assert second.split() == ["*", "2", date, time, *rest]
    assert note.strip() == "* current"


def test_list_as_json(call, registry):
    code, out, _ = call("list", DIGITS, "--json")
    result = json.loads(out)
    assert code == 0
    assert (result["registry"], result["current"], result["faults"]) == (str(registry.root), 2, [])
    first, second = result["versions"]
    assert (first["version"], first["current"], second["current"]) == (1, False, True)
    whole = registry.version(1)
    assert first["sha256"] == whole.sha256
    assert first["path"] == str(whole.path)
    assert (first["variant"], first["metric"], first["value"], first["size_bytes"]) == (
        "int8",
        "accuracy",
        0.96875,
        204,
    )


@pytest.mark.parametrize("gate", [None, [], {}, {"metrics": {}}, {"metrics": {"accuracy": 1}}, {"metrics": []}])
def test_list_takes_manifests_of_other_tools(call, registry, tmp_path, gate):
    registry.push(tmp_path / "model.tflite", {"identity": "other", "gate": gate})
    code, out, _ = call("list", DIGITS, "--json")
    assert code == 0
    assert json.loads(out)["versions"][2]["value"] is None
    assert call("list", DIGITS)[0] == 0


def test_an_empty_registry(call, tmp_path):
    code, out, err = call("list", DIGITS)
    assert (code, err) == (0, "")
    assert out == f"nothing was pushed to {tmp_path / 'registry'} yet\n"
    for action in ("show", "verify"):
        code, out, err = call(action, DIGITS)
        assert (code, out) == (2, "")
        assert err == f"{tmp_path / 'registry'} must hold a pushed version, got none; run the pipeline first\n"
    assert not (tmp_path / "registry").exists()


def test_show(call, registry):
    code, out, err = call("show", DIGITS)
    assert (code, err) == (0, "")
    shown = yaml.safe_load(out)
    assert shown == {**registry.version(2).manifest, "current": True, "path": str(registry.version(2).path)}
    keys = [line.split(":")[0] for line in out.splitlines() if not line.startswith((" ", "-"))]
    assert keys[:6] == ["version", "current", "path", "pushed_at", "name", "variant"]
    assert keys[-1] == "edge"
    assert yaml.safe_load(call("show", DIGITS, "1")[1])["variant"] == "int8"


def test_show_as_json(call, registry):
    code, out, _ = call("show", DIGITS, "1", "--json")
    assert code == 0
    assert json.loads(out) == {
        "registry": str(registry.root),
        "version": 1,
        "current": False,
        "path": str(registry.version(1).path),
        "card": None,
        "files": ["manifest.json", "model.tflite"],
        "manifest": registry.version(1).manifest,
    }


def test_show_names_the_model_card(call, registry, tmp_path):
    registry.push(tmp_path / "model.tflite", manifest("carded"), {"card.md": b"# Model card", "card.json": b"{}"})
    place = str(registry.version(3).path / "card.md")
    assert f"card: {place}" in call("show", DIGITS)[1]
    assert json.loads(call("show", DIGITS, "--json")[1])["card"] == place
    assert set(registry.version(3).manifest["files"]) == {"card.md", "card.json"}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["show", DIGITS, "3"], "VERSION must be one of 1, 2, got 3"),
        (["verify", DIGITS, "3"], "VERSION must be one of 1, 2, got 3"),
        (["show", DIGITS, "x"], "argument VERSION: must be a whole number from 1 on, got 'x'"),
        (["show", DIGITS, "0"], "argument VERSION: must be a whole number from 1 on, got '0'"),
        (["list", DIGITS, "1"], "registry list takes no VERSION, got 1; registry show prints one version"),
        (
            ["lst", DIGITS],
            "argument action: invalid choice: 'lst' (choose from 'list', 'show', 'verify', 'history',",
        ),
        (["list"], "the following arguments are required: CONFIG"),
        (["list", "none.yaml"], "none.yaml: must be a readable YAML file; got no file of that name"),
    ],
)
@pytest.mark.usefixtures("registry")
def test_wrong_input(call, argv, message):
    code, out, err = call(*argv)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_damaged_version_is_named_and_hides_no_other(call, registry):
    (registry.root / "versions" / "1" / "manifest.json").write_text('{"version": 1, "sha')
    code, out, err = call("list", DIGITS)
    assert code == 1
    assert re.search(r"\* +2 ", out)
    assert "versions/1/manifest.json must hold one JSON object" in err
    code, out, err = call("show", DIGITS, "1", "--json")
    assert code == 1
    assert "must hold one JSON object" in json.loads(out)["error"]["message"]
    assert call("show", DIGITS)[0] == 0


@pytest.mark.parametrize("content", [None, b"{", b'{"version": 9, "sha256": "00", "highest_version": 9}'])
def test_a_damaged_pointer_is_named(call, registry, content):
    pointer = registry.root / "current.json"
    pointer.unlink() if content is None else pointer.write_bytes(content)
    code, out, err = call("list", DIGITS, "--json")
    assert code == 1
    result = json.loads(out)
    assert result["current"] is None
    assert [row["current"] for row in result["versions"]] == [False, False]
    (fault,) = result["faults"]
    assert fault in err
    code, _, err = call("show", DIGITS)
    assert (code, err) == (1, f"{fault} Or name a VERSION (1, 2).\n")
    assert call("show", DIGITS, "2")[0] == 0


def test_rollback_promote_and_history(call, registry):
    code, out, _ = call("rollback", DIGITS, "--reason", "slow on old phones")
    assert (code, out) == (0, "rolled back from version 2 to version 1\n")
    assert registry.current().version == 1
    code, out, _ = call("rollback", DIGITS)
    assert code == 1, "there is nothing to go back to"
    code, out, _ = call("promote", DIGITS, "2", "--reason", "phones mended")
    assert (code, out) == (0, "promoted from version 1 to version 2\n")
    code, out, _ = call("history", DIGITS)
    rows = [re.split(r"  +", line.strip()) for line in out.splitlines()]
    assert rows[0] == ["when", "what", "version", "who", "why"]
    assert [(row[1], row[2], row[4]) for row in rows[1:]] == [
        ("push", "none -> 1", "run 20261122-170000-abcd"),
        ("push", "1 -> 2", "run 20261122-170000-abcd"),
        ("rollback", "2 -> 1", "slow on old phones"),
        ("promote", "1 -> 2", "phones mended"),
    ]
    assert [event["number"] for event in json.loads(call("history", DIGITS, "--json")[1])["events"]] == [1, 2, 3, 4]


@pytest.fixture
def metadata(tmp_path):
    """MLMD with a `PushedModel` for each of four versions."""
    from ml_metadata import metadata_store
    from ml_metadata.proto import metadata_store_pb2

    connection = metadata_store_pb2.ConnectionConfig()
    connection.sqlite.filename_uri = str(tmp_path / "metadata.sqlite")
    connection.sqlite.connection_mode = 3
    store = metadata_store.MetadataStore(connection)
    kind = store.put_artifact_type(metadata_store_pb2.ArtifactType(name="PushedModel"))
    artifacts = []
    for number in range(1, 5):
        artifact = metadata_store_pb2.Artifact(type_id=kind, state=metadata_store_pb2.Artifact.LIVE)
        artifact.custom_properties["pushed_version"].string_value = str(number)
        destination = f"{tmp_path.resolve()}/registry/versions/{number}"
        artifact.custom_properties["pushed_destination"].string_value = destination
        artifacts.append(artifact)
    store.put_artifacts(artifacts)
    return store


def test_what_leaves_the_registry_leaves_the_metadata_too(call, registry, metadata, tmp_path):
    model = tmp_path / "model.tflite"
    for content in (b"c", b"d"):
        model.write_bytes(content)
        registry.push(model, manifest(content.decode()))
    code, out, _ = call("gc", DIGITS, "--keep", "1", "--dry-run")
    assert (code, out) == (0, "would remove versions 1, 2; versions 1, 2, 3, 4 stay\n")
    code, out, _ = call("gc", DIGITS, "--keep", "1")
    assert (code, out) == (0, "removed versions 1, 2; versions 3, 4 stay\n")
    states = {one.custom_properties["pushed_version"].string_value: one.state for one in metadata.get_artifacts()}
    live, deleted = type(metadata.get_artifacts()[0]).LIVE, type(metadata.get_artifacts()[0]).DELETED
    assert states == {"1": deleted, "2": deleted, "3": live, "4": live}


def test_what_push_keep_removed_leaves_the_metadata_at_the_end_of_a_run(registry, metadata, tmp_path):
    model = tmp_path / "model.tflite"
    for content in (b"c", b"d"):
        model.write_bytes(content)
        registry.push(model, manifest(content.decode()), keep=1)
    assert registry.numbers() == [3, 4]
    config = load(Path(DIGITS), {"push.keep": 1, "runtime.workspace": str(tmp_path)})
    assert list(remove_old(config, Workspace(config.workspace))) == []
    live = [one for one in metadata.get_artifacts() if one.state == type(one).LIVE]
    assert sorted(one.custom_properties["pushed_version"].string_value for one in live) == ["3", "4"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["promote", DIGITS], "registry promote needs the VERSION that shall be current, got none"),
        (["gc", DIGITS], "registry gc needs to know how many versions stay, got neither --keep nor push.keep"),
        (["gc", DIGITS, "3"], "registry gc takes no VERSION, got 3"),
        (["gc", DIGITS, "--keep", "0"], "argument --keep: must be a whole number from 1 on, got '0'"),
    ],
)
def test_changes_want_to_know_what(call, registry, argv, message):
    code, out, err = call(*argv)
    assert (code, out) == (2, "")
    assert message in err
    assert registry.numbers() == [1, 2]

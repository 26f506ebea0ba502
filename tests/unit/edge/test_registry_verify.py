"""`registry verify`: pushed versions are compared with their manifests and asked again, without TensorFlow."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from compression.edge.golden import golden
from pipeline import cli
from registry import Registry

DIGITS = str(Path(__file__).parents[3] / "configs" / "digits.yaml")


@pytest.fixture
def registry(tools, samples, tmp_path):
    """Version 1 with golden pairs, version 2 without; the second is current."""
    registry = Registry(tmp_path / "registry")
    model, pairs = tmp_path / "model.tflite", tmp_path / "golden.npz"
    model.write_bytes(tools.dense_int8())
    golden(model, samples).save(pairs)
    registry.push(model, {"identity": "a"}, {"golden.npz": pairs})
    registry.push(model, {"identity": "b"})
    return registry


@pytest.fixture
def verify(capsys, tmp_path):
    def run(*argv):
        code = cli.main(["registry", "verify", DIGITS, *argv, "--workspace", str(tmp_path)])
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in argv else out, err

    return run


def test_all_is_well(verify, registry):
    code, out, err = verify()
    assert (code, err) == (0, "")
    assert out == (
        "version 1: files as pushed, golden pairs right\n"
        "version 2: files as pushed, no golden pairs\n"
        "all is as it was pushed\n"
    )
    code, result, _ = verify("--json")
    assert code == 0
    assert result == {
        "registry": str(registry.root),
        "ok": True,
        "current": 2,
        "faults": [],
        "versions": [
            {"version": 1, "ok": True, "golden": "ok", "faults": []},
            {"version": 2, "ok": True, "golden": "absent", "faults": []},
        ],
    }


def test_a_rotten_model_is_named_and_the_others_are_still_verified(verify, registry):
    model = registry.version(1).model_file
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(bytes(content))
    code, out, _ = verify()
    assert code == 1
    assert f"{model} must have the sha256 of its manifest" in out
    assert "version 2: files as pushed" in out
    assert out.endswith("1 fault found\n")
    assert verify("2")[0] == 0
    model.write_bytes(bytes(content[:-1]))
    (report,) = verify("1", "--json")[1]["versions"]
    assert ["sha256" in fault or "size_bytes" in fault for fault in report["faults"]] == [True, True]
    assert (report["ok"], report["golden"]) == (False, "not_checked")
    model.unlink()
    (report,) = verify("1", "--json")[1]["versions"]
    assert "must hold what was pushed" in report["faults"][0]


def test_another_models_golden_pairs_are_seen(verify, registry, tools, samples, tmp_path):
    other = tmp_path / "other.tflite"
    other.write_bytes(tools.dense_int8(first=9))
    place = registry.version(1).path / "golden.npz"
    golden(other, samples).save(place)
    code, out, _ = verify("1")
    assert code == 1
    assert f"{place} must have the sha256 of its manifest" in out
    # Somebody who can write one file can write the manifest too; the pairs still tell.
    manifest = json.loads((place.parent / "manifest.json").read_text())
    manifest["files"]["golden.npz"] = hashlib.sha256(place.read_bytes()).hexdigest()
    (place.parent / "manifest.json").write_text(json.dumps(manifest))
    code, out, _ = verify("1")
    assert code == 1
    assert "golden examples give something else" in out
    manifest["files"] = {}  # as in manifests that older releases wrote
    (place.parent / "manifest.json").write_text(json.dumps(manifest))
    place.write_bytes(b"PK rot")
    code, result, _ = verify("1", "--json")
    (report,) = result["versions"]
    assert (code, report["golden"]) == (1, "differ")
    assert "must hold golden pairs" in report["faults"][0]


def test_a_damaged_manifest_and_a_damaged_pointer_are_named(verify, registry):
    (registry.root / "versions" / "1" / "manifest.json").write_text("{")
    (registry.root / "current.json").write_text('{"version": 2, "sha256": "00", "highest_version": 2}')
    code, result, _ = verify("--json")
    assert (code, result["ok"], result["current"]) == (1, False, None)
    assert "must name the same model" in result["faults"][0]
    assert "must hold one JSON object" in result["versions"][0]["faults"][0]
    code, out, _ = verify()
    assert code == 1
    assert out.endswith("2 faults found\n")


@pytest.mark.usefixtures("registry")
def test_verifying_needs_no_tensorflow(tmp_path):
    script = (
        "import sys; from pipeline.__main__ import main; code = main(sys.argv[1:]);"
        "sys.exit(code or str(sorted({'tensorflow', 'tfx', 'keras', 'tf_keras', 'apache_beam'} & set(sys.modules))))"
    )
    command = [sys.executable, "-c", script, "registry", "verify", DIGITS, "--workspace", str(tmp_path)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.stderr == "[]\n"

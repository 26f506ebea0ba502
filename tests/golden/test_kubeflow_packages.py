"""The compiled packages of two configurations; compiling needs no network and says the same twice."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from kubeflow.check import check
from kubeflow.compile import compile_package
from kubeflow.package import Package
from pipeline.config import load
from pipeline.errors import UserError

pytestmark = pytest.mark.golden

ROOT = Path(__file__).resolve().parents[2]
UPDATE = "UPDATE_GOLDEN=1 .venv/bin/python -m pytest tests/golden"

ON_A_VOLUME = {
    "data.path": "/mnt/digits/data",
    "push.to": "/mnt/digits/models",
    "kubeflow": {
        "root": "minio://mlpipeline/digits",
        "image": "registry.example/tfx-edge:0.1.0",
        "volumes": [{"pvc": "digits", "mount_path": "/mnt/digits"}],
        "steps": {"trainer": {"accelerator": {"type": "nvidia.com/gpu", "count": 1}}, "qat": {"cpu": 4, "retries": 0}},
    },
}
CONFIGS = {"digits": ON_A_VOLUME, "digits_kubeflow": {}}
"""Name of a file in configs -> what is set beside: all steps on a volume, and cycles on an object store."""


@pytest.fixture(scope="module")
def packages():
    return {name: compile_package(load(ROOT / "configs" / f"{name}.yaml", more)) for name, more in CONFIGS.items()}


def plain(value):
    """A type by its title, and no hashes of code, which change with every edit."""
    if isinstance(value, dict):
        if set(value) == {"instanceSchema"}:
            return yaml.safe_load(value["instanceSchema"])["title"]
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, str):
        return value
    # The types of the inputs once more, which the rule `typed-inputs` compares with those above.
    return "<types>" if value.startswith("{\n") else re.sub(r"\b[0-9a-f]{64}\b", "<sha256>", value)


@pytest.mark.parametrize("name", CONFIGS)
def test_package_is_the_golden_one(packages, name):
    path = Path(__file__).parent / f"{name}_package.yaml"
    documents = [plain(packages[name].pipeline), plain(packages[name].platform)]
    got = yaml.safe_dump_all(documents, sort_keys=True, default_flow_style=None, width=120)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(got)
    assert got == path.read_text(), f"the package changed; if that is meant: {UPDATE}"


def test_compiling_needs_no_network_and_says_the_same_twice(packages, tmp_path):
    """In a process of its own, with another hash seed and every socket refused."""
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\n"
        "def refuse(*_, **__):\n    raise OSError('no network')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        f"open({str(tmp_path / 'refuses')!r}, 'w').close()\n"
    )
    file = tmp_path / "package.yaml"
    config = ROOT / "configs" / "digits_kubeflow.yaml"
    subprocess.run(
        [sys.executable, "-m", "kubeflow", "compile", str(config), "-o", str(file)],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(tmp_path), "HOSTNAME": "another"},
        check=True,
        capture_output=True,
    )
    assert (tmp_path / "refuses").exists()
    assert file.read_text() == packages["digits_kubeflow"].to_yaml()


@pytest.mark.parametrize("name", CONFIGS)
def test_kubeflows_own_protobufs_read_the_package(packages, name):
    """As the API server does: each document into its message, and nothing is lost on the way."""
    package = Package.from_text(packages[name].to_yaml())
    for value, message in (
        (package.pipeline, pipeline_spec_pb2.PipelineSpec()),
        (package.pipeline["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig()),
        (package.platform, pipeline_spec_pb2.PlatformSpec()),
    ):
        parsed = json_format.ParseDict(value, message)
        again = json_format.ParseDict(json_format.MessageToDict(parsed), type(message)())
        assert again == parsed
    spec = json_format.ParseDict(package.pipeline, pipeline_spec_pb2.PipelineSpec())
    assert spec.default_pipeline_root == package.pipeline["defaultPipelineRoot"]
    trainer = spec.root.dag.tasks["trainer"]
    assert (trainer.retry_policy.max_retry_count, trainer.retry_policy.backoff_duration.seconds) in ((1, 60), (2, 60))
    assert trainer.trigger_policy.condition == "" or "metadata['new'] == 1.0" in trainer.trigger_policy.condition


def test_needs_reach_the_nodes_that_they_are_for(packages):
    executors = packages["digits"].pipeline["deploymentSpec"]["executors"]
    resources = {label: executor["container"].get("resources") for label, executor in executors.items()}
    gpu = {"accelerator": {"resourceType": "nvidia.com/gpu", "resourceCount": "1"}}
    asked = {label.removesuffix("_executor"): value for label, value in resources.items() if value}
    quantization_aware = {name for name in asked if name.startswith("qat-")}
    assert asked == {"trainer": gpu} | {name: {"resourceCpuRequest": "4"} for name in quantization_aware}
    assert len(quantization_aware) == 2
    tasks = packages["digits"].pipeline["root"]["dag"]["tasks"]
    assert {name for name, task in tasks.items() if "retryPolicy" not in task} == quantization_aware


def test_needs_of_nodes_that_there_are_not_are_refused_in_their_place():
    config = load(ROOT / "configs" / "digits_kubeflow.yaml", {"kubeflow.steps": {"trainr": {"cpu": 2}}})
    line = next(at for at, text in enumerate(Path(config.file).read_text().splitlines(), 1) if text == "  steps:")
    with pytest.raises(UserError) as caught:
        compile_package(config)
    must = "must be default, a kind of step, or the id of a node; got trainr; did you mean trainer?"
    assert str(caught.value) == f"{config.file}:{line}: kubeflow.steps.trainr: {must}"


def test_what_reads_raw_data_late_is_left_out_too():
    """With raw inputs, a guard and a champion, nodes all over the graph read ingest's output."""
    more = {
        "data.path": "/mnt/digits/span-{SPAN}",
        "data.guard": {"drift": {"notice": 0.1}},
        "gate.max_drop_vs_champion": 0.02,
        "export.inputs": "raw",
        "variants": {"int8": [{"quantize": {"mode": "int8"}}]},
    }
    kubeflow = {**ON_A_VOLUME["kubeflow"], "steps": {"raw": {"memory": "3Gi"}}}
    package = compile_package(load(ROOT / "configs" / "digits.yaml", {**ON_A_VOLUME, **more, "kubeflow": kubeflow}))
    assert {name: faults for name, faults in check(package).items() if faults} == {}
    conditional = {name for name, task in package.pipeline["root"]["dag"]["tasks"].items() if "triggerPolicy" in task}
    assert {"statistics", "transform", "drift", "champion-answers", "gate-int8", "edge-int8", "summary"} < conditional
    executors = package.pipeline["deploymentSpec"]["executors"]
    asked = {label for label, executor in executors.items() if "resources" in executor["container"]}
    assert asked == {"raw-int8_executor", "raw-baseline_executor"}


def test_ingest_looks_for_its_files_itself(packages):
    """Paths that were found while compiling would be those of that day for ever."""
    for name, path in (("digits", "/mnt/digits/data"), ("digits_kubeflow", "s3://edge/digits/data/span-{SPAN}")):
        told = packages[name].pipeline["root"]["dag"]["tasks"]["ingest"]["inputs"]["parameters"]["spec"]
        spec = json.loads(told["runtimeValue"]["constant"])
        assert (spec["files"], spec["path"]) == ([], path)


def test_secrets_are_named_and_nothing_more(packages):
    package = packages["digits_kubeflow"]
    for label, settings in package.executor_settings.items():
        (secret,) = settings["secretAsEnv"]
        # Without `optional` a pod waits for a secret that is missing.
        assert secret["secretName"] == "mlpipeline-minio-artifact"
        assert "optional" not in secret
        container = package.pipeline["deploymentSpec"]["executors"][label]["container"]
        assert not {entry["name"] for entry in container["env"]} & {pair["envVar"] for pair in secret["keyToEnv"]}

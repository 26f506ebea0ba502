"""The compiled digits pipeline on an emulated Kubeflow: the same model as on one machine, byte for byte."""

import hashlib
import json
import sys
from pathlib import Path

import pytest
import yaml
from kfp_emulator import Cluster, pod
from kfp_emulator.store import ObjectStore

from kubeflow.compile import compile_package
from pipeline.config import load

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not pod.available(), reason="needs mount namespaces (root, or user namespaces)"),
]

KEY, SECRET = "edge", "not-a-secret"
VARIANTS = {
    "int8": [{"quantize": {"mode": "int8"}}],
    "pruned_int8": [{"prune": {"sparsity": 0.5, "epochs": 2, "end_epoch": 1}}, {"quantize": {"mode": "int8"}}],
}


@pytest.fixture(scope="module")
def address():
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    yield "http://{}:{}".format(*running.get_host_and_port())
    running.stop()


@pytest.fixture(scope="module")
def cluster(address, digits, tmp_path_factory):
    """Its volume claim `data` holds the digits; its bucket `edge` is empty."""
    store = ObjectStore(address, KEY, SECRET)
    store.make_bucket("edge")
    return Cluster(
        tmp_path_factory.mktemp("pods"),
        store,
        workdir=ROOT,
        environment={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": "/tmp", "PYTHONPATH": str(ROOT)},
        secrets={"store": {"key": KEY, "secret": SECRET}},
        claims={"data": digits.parent},
    )


@pytest.fixture(scope="module")
def package(address, make_config, tmp_path_factory):
    """Compiled, to be run on the cluster."""
    path = make_config(
        tmp_path_factory.mktemp("compiled"),
        data={"path": "/edge-data/digits"},
        variants=VARIANTS,
        push={"to": "s3://edge/models"},
        kubeflow={
            "root": "s3://edge/pipelines",
            "image": "registry.example/edge:1",
            "env": {"AWS_ENDPOINT_URL": address, "AWS_DEFAULT_REGION": "us-east-1"},
            "secrets": [{"name": "store", "env": {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}}],
            "volumes": [{"pvc": "data", "mount_path": "/edge-data"}],
        },
        runtime=None,
    )
    pipeline, platform = yaml.safe_load_all(compile_package(load(path)).to_yaml())
    for task in pipeline["root"]["dag"]["tasks"].values():
        task.pop("triggerPolicy", None)  # ingest does not say yet whether there is something new
    return yaml.safe_dump_all([pipeline, platform])


@pytest.fixture(scope="module")
def run(cluster, package):
    """The whole pipeline; the trainer's first pod is taken away in its last epoch."""
    return cluster.run(package, preempt={"trainer": "epoch 2/3"})


@pytest.fixture(scope="module")
def local(make_config, run_here, tmp_path_factory):
    """The same on this machine."""
    folder = tmp_path_factory.mktemp("local")
    finished = run_here(make_config(folder, variants=VARIANTS))
    assert finished.summary["status"] == "pushed"
    return folder / "workspace"


def test_every_task_succeeds_and_one_of_them_in_its_second_pod(run):
    assert {task: state for task, state in run.states().items() if state != "Succeeded"} == {}
    codes = {name: task.codes for name, task in run.tasks.items()}
    assert codes.pop("trainer") == [143, 0]
    assert all(tries == [0] for tries in codes.values()), codes
    assert run.tasks["trainer"].logs[0].endswith("trainer interrupted by SIGTERM\n")


def test_the_pushed_model_is_the_one_of_a_local_run(run, local, cluster):
    manifests = [key for key in cluster.store.keys("s3://edge/models/objects") if key.endswith("manifest.json")]
    (manifest,) = (json.loads(cluster.store.read(f"s3://edge/{key}")) for key in manifests)
    here = json.loads((local / "registry" / "versions" / "1" / "manifest.json").read_text())
    (model,) = (key for key in cluster.store.keys("s3://edge/models/objects") if key.endswith("model.tflite"))
    content = cluster.store.read(f"s3://edge/{model}")
    assert hashlib.sha256(content).hexdigest() == here["sha256"] == manifest["sha256"]
    assert content == (local / "registry" / "versions" / "1" / "model.tflite").read_bytes()
    assert (manifest["variant"], manifest["lineage"]["float_model"]["sha256"]) == (
        here["variant"],
        here["lineage"]["float_model"]["sha256"],
    )


def test_kubeflows_page_shows_the_numbers(run):
    shown = run.tasks["summary"].outputs["metrics"].properties
    assert shown["pushed"] == 1.0
    assert 0.5 < shown["selected accuracy"] <= 1.0
    assert shown["selected size_bytes"] < shown["baseline size_bytes"]


def test_no_place_of_a_pod_is_left_in_what_outlives_it(run):
    for task in run.tasks.values():
        for record in task.outputs.values():
            assert record.uri.startswith("s3://edge/pipelines/small/")
            assert "/s3/edge" not in json.dumps(record.properties)

"""The compiled digits pipeline on an emulated Kubeflow, scheduled again and again; its tests go on from one another.

Data, registry and artifacts lie on an S3-compatible server on loopback; every task is a process with a root of its own.
"""

import json
import os
import sys
from pathlib import Path

import fsspec
import pytest
import yaml
from kfp_emulator import Cluster, Image, pod
from kfp_emulator.store import ObjectStore
from sklearn.datasets import load_digits

from components.cycles.kept import KeptRecords
from components.cycles.record import Status
from kubeflow.compile import compile_package
from pipeline.config import load
from pipeline.tfrecord import write_tfrecord
from registry import Registry

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not pod.available(), reason="needs mount namespaces (root, or user namespaces)"),
]

KEYS = {"AWS_ACCESS_KEY_ID": "edge", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
MODELS = "s3://edge/models"
VARIANTS = {
    "int8": [{"quantize": {"mode": "int8"}}],
    "pruned_int8": [{"prune": {"sparsity": 0.5, "epochs": 2, "end_epoch": 1}}, {"quantize": {"mode": "int8"}}],
}
RETRAINING = {
    "variants": VARIANTS,
    "train": {"warm_start": "champion"},
    "gate": {"max_drop": 0.3, "max_drop_vs_champion": 0.4},
}
SPAN = 600


@pytest.fixture(scope="module")
def address():
    """An S3-compatible server with the bucket `edge`, named by this process's environment too."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1"}.items():
            patch.setenv(name, value)
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir("edge")
        yield url
    server.stop()


def unpacked_image() -> Image | None:
    """The image that `EDGE_IMAGE` names: a folder with its files in `root` and its `config.json`."""
    if not os.environ.get("EDGE_IMAGE"):
        return None
    folder = Path(os.environ["EDGE_IMAGE"])
    config = json.loads((folder / "config.json").read_text())
    environment = dict(item.split("=", 1) for item in config["Env"])
    return Image(folder / "root", config["User"], config["WorkingDir"], environment)


@pytest.fixture(scope="module")
def cluster(address, tmp_path_factory):
    return Cluster(
        tmp_path_factory.mktemp("pods"),
        ObjectStore(address, *KEYS.values()),
        workdir=ROOT,
        environment={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": "/tmp"},
        image=unpacked_image(),
        secrets={"edge-bucket": {"accesskey": KEYS["AWS_ACCESS_KEY_ID"], "secretkey": KEYS["AWS_SECRET_ACCESS_KEY"]}},
    )


@pytest.fixture(scope="module")
def package(address, make_config, tmp_path_factory):
    """Compiled once, scheduled again and again."""
    path = make_config(
        tmp_path_factory.mktemp("compiled"),
        **RETRAINING,
        data={"path": "s3://edge/data/span-{SPAN}"},
        push={"to": MODELS},
        kubeflow={
            "root": "minio://edge/pipelines",
            "image": "registry.example/edge:1",
            "env": {"AWS_ENDPOINT_URL": address, "AWS_DEFAULT_REGION": "us-east-1"},
            "secrets": [
                {
                    "name": "edge-bucket",
                    "env": {"AWS_ACCESS_KEY_ID": "accesskey", "AWS_SECRET_ACCESS_KEY": "secretkey"},
                }
            ],
            "steps": {"default": {"retries": 0}, "trainer": {"retries": 1}},
        },
    )
    return compile_package(load(path)).to_yaml()


@pytest.fixture(scope="module")
def spans(tmp_path_factory):
    """What was uploaded is here too, as `span-<n>`."""
    return tmp_path_factory.mktemp("spans")


@pytest.fixture(scope="module")
def put_span(spans, address):
    """`put_span(number, feature)` uploads a span of digits."""

    def put(number: int, feature: str = "image") -> None:
        digits = load_digits()
        rows = slice((number - 1) * SPAN, number * SPAN)
        path = spans / f"span-{number}" / "digits.tfrecord"
        path.parent.mkdir()
        pairs = zip(digits.data[rows], digits.target[rows], strict=True)
        write_tfrecord(path, ({feature: list(map(int, image)), "label": [int(label)]} for image, label in pairs))
        fsspec.filesystem("s3").put_file(str(path), f"edge/data/span-{number}/digits.tfrecord")

    return put


@pytest.fixture(scope="module")
def first(cluster, package, put_span):
    """The first run, over span 1; the trainer's first pod is taken away in its last epoch."""
    put_span(1)
    return cluster.run(package, preempt={"trainer": "epoch 2/3"})


@pytest.fixture(scope="module")
def local(first, make_config, run_here, spans, tmp_path_factory):
    """The registry after a run over the same span on this machine."""
    folder = tmp_path_factory.mktemp("local")
    finished = run_here(make_config(folder, **RETRAINING, data={"path": f"{spans}/span-{{SPAN}}"}))
    assert finished.summary["status"] == "pushed", finished.failures
    return Registry(str(folder / "workspace" / "registry"))


def statuses() -> list[Status]:
    return [record.status for record in KeptRecords(MODELS).all()]


def up_to(package: str, last: str) -> str:
    """The package without the tasks that `last` does not need."""
    pipeline, platform = yaml.safe_load_all(package)
    tasks = pipeline["root"]["dag"]["tasks"]
    needed, waiting = set(), [last]
    while waiting:
        name = waiting.pop()
        needed.add(name)
        waiting += tasks[name].get("dependentTasks", [])
    pipeline["root"]["dag"]["tasks"] = {name: task for name, task in tasks.items() if name in needed}
    return yaml.safe_dump_all([pipeline, platform])


def failures(run) -> dict[str, str]:
    return {name: "\n".join(task.logs)[-3000:] for name, task in run.tasks.items() if task.state == "Failed"}


def test_every_task_succeeds_and_one_of_them_in_its_second_pod(first):
    assert failures(first) == {}
    assert set(first.states().values()) == {"Succeeded"}
    codes = {name: task.codes for name, task in first.tasks.items()}
    assert codes.pop("trainer") == [143, 0]
    assert all(tries == [0] for tries in codes.values()), codes
    assert first.tasks["trainer"].logs[0].endswith("trainer interrupted by SIGTERM\n")
    (record,) = KeptRecords(MODELS).all()
    assert (record.status, record.run_id) == (Status.PUSHED, first.id)


def test_the_pushed_model_is_the_one_of_a_local_run(first, local, cluster):
    there, here = Registry(MODELS).current(), local.current()
    assert there.read("model.tflite") == here.read("model.tflite")
    assert there.manifest["variant"] == here.manifest["variant"]
    # Of the float model's files, `saved_model.pb` and its fingerprint hold names of functions that are numbered through
    # the life of a process, and on this machine one process runs all nodes.
    trained = first.tasks["trainer"].outputs["model"].uri
    assert there.manifest["lineage"]["float_model"]["uri"] == trained
    parent = Path(here.manifest["lineage"]["float_model"]["uri"])
    for name in ("variables/variables.data-00000-of-00001", "variables/variables.index", "keras_metadata.pb"):
        uploaded = cluster.store.read(f"{trained}/Format-Serving/{name}")
        assert uploaded == (parent / "Format-Serving" / name).read_bytes(), name


def test_kubeflows_page_shows_the_numbers(first):
    shown = first.tasks["summary"].outputs["metrics"].properties
    assert shown["pushed"] == 1.0
    assert 0.3 < shown["selected accuracy"] <= 1.0
    assert shown["selected size_bytes"] < shown["baseline size_bytes"]


def test_no_place_of_a_pod_is_left_in_what_outlives_it(first):
    for task in first.tasks.values():
        for record in task.outputs.values():
            assert record.uri.startswith("minio://edge/pipelines/small/")
            assert "/minio/edge" not in json.dumps(record.properties)
    assert "/minio/edge" not in json.dumps(Registry(MODELS).current().manifest)


def test_with_nothing_new_only_ingest_runs(first, cluster, package):
    run = cluster.run(package)
    assert run.succeeded
    states = run.states()
    assert states.pop("ingest") == "Succeeded"
    assert set(states.values()) == {"Skipped", "Omitted"}
    assert (
        run.tasks["ingest"].outputs["examples"].properties["reason"] == "nothing new since cycle 1 (pushed version 1)"
    )
    assert statuses() == [Status.PUSHED]


def test_a_run_can_be_forced(first, cluster, package):
    run = cluster.run(up_to(package, "ingest"), parameters={"force": "yes"})
    told = run.tasks["ingest"].outputs["examples"].properties
    assert (run.succeeded, told["new"]) == (True, 1.0)


def test_a_new_span_goes_on_from_the_champion_in_the_store(first, cluster, package, put_span):
    put_span(2)
    run = cluster.run(up_to(package, "trainer"))
    assert failures(run) == {}
    assert run.tasks["ingest"].outputs["examples"].properties["reason"] == "span 2 is new (1 file)"
    assert run.tasks["champion"].outputs["float_model"].properties["present"] == 1.0
    assert "Cached" not in run.states().values()


def test_a_bad_span_is_refused_once_and_the_champion_stays(first, cluster, package, put_span):
    put_span(3, feature="picture")
    run = cluster.run(package)
    assert not run.succeeded
    assert list(failures(run)) == ["data-guard"]
    (log,) = run.tasks["data-guard"].logs
    assert log.splitlines()[-1].startswith("data-guard failed: ")
    assert "'image'" in log.splitlines()[-1]
    assert statuses() == [Status.PUSHED, Status.REFUSED]
    assert Registry(MODELS).current().version == 1
    again = cluster.run(package)
    assert again.succeeded
    assert again.tasks["statistics"].state == "Skipped"

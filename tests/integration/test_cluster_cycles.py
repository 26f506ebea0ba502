"""Scheduled runs of the cluster's graph on real digits: data, registry and the champion's parents lie in S3.

The local runner knows no conditions: where one would skip the nodes after ingest, ingest alone is run.
"""

import json
from pathlib import Path

import fsspec
import pytest
from sklearn.datasets import load_digits

from components.cycles.kept import KeptRecords
from components.cycles.record import Status
from pipeline.config import load
from pipeline.tfrecord import write_tfrecord
from registry import Registry
from registry.remote import MOUNTS

pytestmark = pytest.mark.integration

REGISTRY = "s3://edge-cycles/registry"
SPAN = 450


@pytest.fixture(scope="module")
def s3():
    """An S3 server on loopback with one bucket, named by the environment."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
        files = fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True)
        files.mkdir("edge-cycles")
        yield files
    server.stop()


class Scheduled:
    """A compiled pipeline that is run again and again, each time as if in new containers."""

    def __init__(self, config, folder: Path, files) -> None:
        from tfx.orchestration import metadata

        self._config, self._root, self._files, self._runs = config, folder / "artifacts", files, 0
        self._folder = folder
        self._connection = metadata.sqlite_metadata_connection_config(str(folder / "metadata.sqlite"))

    def run(self, end=None) -> dict:
        """Node id to how it ended."""
        from pipeline import cluster_nodes, graph, runner
        from pipeline.sources import unresolved_spec

        self._runs += 1
        pipeline = graph.build(
            self._config,
            unresolved_spec(self._config),
            pipeline_root=str(self._root),
            registry=REGISTRY,
            metadata=self._connection,
            cluster=True,
        )
        run = runner.LocalRun(
            pipeline,
            f"run-{self._runs}",
            runner.Selection(end=end),
            never_cached=cluster_nodes.NEVER_CACHED,
            tolerant=graph.TOLERANT,
        )
        ended = {}
        run.execute(lambda node_id: None, lambda result: ended.update({result.id: result}), lambda *_: None)
        return ended

    def told(self, ended: dict) -> tuple[int, str]:
        """What conditions read, as it was published."""
        from tfx.orchestration import metadata

        (examples,) = ended["ingest"].outputs["examples"]
        with metadata.Metadata(self._connection) as handle:
            (artifact,) = handle.store.get_artifacts_by_uri(examples.uri)
        properties = artifact.custom_properties
        return properties["new"].int_value, properties["reason"].string_value

    def upload(self) -> None:
        """What the launcher does: artifacts go to the store, and the containers' own disks are lost."""
        for node_id in ("trainer", "transform"):
            self._files.put(str(self._root / node_id), f"edge-cycles/root/{node_id}", recursive=True)
            (self._root / node_id).rename(self._folder / f"lost-{node_id}-{self._runs}")


def put_span(files, folder: Path, number: int, feature="image") -> None:
    digits = load_digits()
    rows = slice((number - 1) * SPAN, number * SPAN)
    path = folder / f"digits-{number}.tfrecord"
    pairs = zip(digits.data[rows], digits.target[rows], strict=True)
    write_tfrecord(path, ({feature: list(map(int, image)), "label": [int(label)]} for image, label in pairs))
    files.put(str(path), f"edge-cycles/data/span-{number}/digits.tfrecord")


@pytest.fixture(scope="module")
def scheduled(s3, make_config, tmp_path_factory):
    """The pipeline and the files; tests go on from one another."""
    folder = tmp_path_factory.mktemp("cluster")
    path = make_config(
        folder,
        data={"path": "s3://edge-cycles/data/span-{SPAN}", "window": {"spans": 2}, "eval_on": "newest"},
        train={"epochs": 5, "warm_start": "champion"},
        gate={"max_drop": 0.3, "max_drop_vs_champion": 0.4},
        push={"to": REGISTRY},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MOUNTS, json.dumps({f"{folder}/artifacts/": "s3://edge-cycles/root/"}))
        yield Scheduled(load(path), folder, s3), folder


def failures(ended: dict) -> dict[str, str]:
    return {node_id: str(result.error) for node_id, result in ended.items() if result.error is not None}


def summary(ended: dict) -> dict:
    return json.loads((Path(ended["summary"].outputs["summary"][0].uri) / "summary.json").read_text())


def statuses() -> list[Status]:
    return [record.status for record in KeptRecords(REGISTRY).all()]


def test_the_first_run_pushes_and_keeps_all_that_the_next_ones_need(scheduled, s3):
    pipeline, folder = scheduled
    put_span(s3, folder, 1)
    ended = pipeline.run()
    assert failures(ended) == {}
    assert pipeline.told(ended) == (1, "there was no cycle before")
    (record,) = KeptRecords(REGISTRY).all()
    assert (record.status, record.pushed_version, record.spans) == (Status.PUSHED, 1, [1])
    assert record.fingerprint.files[0].path == "s3://edge-cycles/data/span-1/digits.tfrecord"
    assert record.fingerprint.files[0].sha256.startswith("etag:")
    current = Registry(REGISTRY).current()
    assert "schema.pbtxt" in current.names()
    lineage = current.manifest["lineage"]
    assert {name: parent["uri"].rpartition("/")[0] for name, parent in lineage.items()} == {
        "float_model": "s3://edge-cycles/root/trainer/model",
        "transform_graph": "s3://edge-cycles/root/transform/transform_graph",
    }
    found = summary(ended)
    assert (found["data"]["schema"], found["warm_start"]["used"]) == ("inferred", False)
    pipeline.upload()


def test_with_nothing_new_ingest_says_so_and_nothing_is_kept(scheduled):
    pipeline, _ = scheduled
    assert pipeline.told(pipeline.run(end="ingest")) == (0, "nothing new since cycle 1 (pushed version 1)")
    assert statuses() == [Status.PUSHED]


def test_a_new_span_goes_on_from_the_champion_in_the_store(scheduled, s3):
    pipeline, folder = scheduled
    put_span(s3, folder, 2)
    ended = pipeline.run()
    assert failures(ended) == {}
    assert pipeline.told(ended) == (1, "span 2 is new (1 file)")
    found = summary(ended)
    assert (found["warm_start"]["used"], found["warm_start"]["version"]) == (True, 1)
    assert found["champion"]["version"] == 1
    assert found["champion"]["value"] > 0.3, "the champion answered the new span through its own transform"
    assert found["data"]["schema"] == "frozen"
    assert found["status"] == "pushed"
    assert Registry(REGISTRY).current().version == 2
    first, second = (Registry(REGISTRY).version(number).read("schema.pbtxt") for number in (1, 2))
    assert first == second
    assert KeptRecords(REGISTRY).all()[-1].spans == [1, 2]


def test_a_bad_span_is_refused_once(scheduled, s3):
    pipeline, folder = scheduled
    put_span(s3, folder, 3, feature="picture")
    ended = pipeline.run(end="data-guard")
    assert set(failures(ended)) == {"data-guard"}
    assert statuses() == [Status.PUSHED, Status.PUSHED, Status.REFUSED]
    assert "'image'" in KeptRecords(REGISTRY).all()[-1].error
    assert Registry(REGISTRY).current().version == 2
    assert pipeline.told(pipeline.run(end="ingest")) == (0, "nothing new since cycle 3 (its data were refused)")
    put_span(s3, folder, 3)
    assert pipeline.told(pipeline.run(end="ingest")) == (1, "span 3 changed (1 file)")

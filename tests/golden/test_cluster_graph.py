"""The graph of a cluster: the same nodes, with the state of cycles in the registry."""

import json
from pathlib import Path

import pytest
from tfx.dsl.compiler.compiler import Compiler
from tfx.orchestration import metadata

from components.cycles.cluster import Order
from pipeline.beam_flags import flags as beam_flags
from pipeline.cluster_nodes import NEVER_CACHED
from pipeline.config import load
from pipeline.config.beam_options import LocalOptions
from pipeline.cycles.fingerprint import take, without_data
from pipeline.errors import UserError
from pipeline.graph import build
from pipeline.sources import unresolved_spec

pytestmark = pytest.mark.golden

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "digits.yaml"
REGISTRY = "s3://bucket/registry"
HERE = beam_flags("local", LocalOptions())
CYCLING = {
    "data.path": "s3://bucket/data/span-{SPAN}",
    "push.to": REGISTRY,
    "train.warm_start": "champion",
    "gate.max_drop_vs_champion": 0.1,
    "data.guard": {"drift": {"stop": 0.5}},
}


def graph_of(config, *, cluster=True):
    connection = metadata.sqlite_metadata_connection_config(":memory:")
    pipeline = build(
        config,
        unresolved_spec(config),
        pipeline_root="root",
        registry=REGISTRY,
        metadata=connection,
        cluster=cluster,
    )
    return {node.pipeline_node.node_info.id: node.pipeline_node for node in Compiler().compile(pipeline).nodes}


@pytest.fixture(scope="module")
def config():
    return load(CONFIG, CYCLING)


@pytest.fixture(scope="module")
def nodes(config):
    return graph_of(config)


def parameters(node):
    return {key: value.field_value.string_value for key, value in node.parameters.parameters.items()}


def producers(node):
    return {channel.producer_node_query.id for value in node.inputs.inputs.values() for channel in value.channels}


def test_one_node_more_than_on_a_machine_and_it_is_the_last(nodes, config):
    here = graph_of(config, cluster=False)
    assert nodes.keys() - here.keys() == {"cycle-record"}
    assert list(nodes)[-1] == "cycle-record"
    assert producers(nodes["cycle-record"]) == {"ingest", "summary"}
    assert not nodes["cycle-record"].downstream_nodes


def test_ingest_alone_knows_what_the_pipeline_was_compiled_from(nodes, config):
    order = Order.from_json(parameters(nodes["ingest"])["cycle"])
    assert order == Order(REGISTRY, without_data(config))
    assert order.fingerprint.model_code.keys() == {"models.digits"}
    assert order.fingerprint.config["data"]["path"] == "s3://bucket/data/span-{SPAN}"
    assert [node_id for node_id, node in nodes.items() if "cycle" in parameters(node)] == ["ingest"]


def test_a_run_can_be_forced_without_compiling_anew(nodes):
    parameter = nodes["ingest"].parameters.parameters["force"].runtime_parameter
    assert (parameter.name, parameter.default_value.string_value) == ("force", "no")


def test_files_are_looked_for_when_ingest_runs(nodes):
    spec = json.loads(parameters(nodes["ingest"])["spec"])
    assert (spec["files"], spec["path"]) == ([], "s3://bucket/data/span-{SPAN}")


def test_nothing_but_ingest_runs_when_nothing_is_new(nodes):
    """Conditions stand on those that read the examples; a node that is skipped takes all after it along."""
    skipped = {node_id for node_id, node in nodes.items() if "ingest" in producers(node)}
    for node_id, node in nodes.items():
        if skipped & set(node.upstream_nodes):
            skipped.add(node_id)
    assert nodes.keys() - skipped == {"ingest"}


@pytest.mark.parametrize("given", [{}, {"data.schema": "schema.pbtxt"}])
def test_that_holds_for_a_given_schema_too(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "schema.pbtxt").write_text("")
    found = graph_of(load(CONFIG, {**CYCLING, **given}))
    assert "statistics" in found["schema"].upstream_nodes
    assert found["schema"].node_info.type.name.endswith("ImportSchema" if given else "RegistrySchema")


def test_the_schema_is_kept_with_the_version_and_its_source_told(nodes):
    assert parameters(nodes["schema"])["registry"] == REGISTRY
    for node_id in ("edge-pusher", "summary"):
        (channel,) = nodes[node_id].inputs.inputs["schema"].channels
        assert channel.producer_node_query.id == "schema"


def test_without_spans_and_guard_every_run_infers_its_own(tmp_path):
    found = graph_of(load(CONFIG, {"data.path": str(tmp_path)}))
    assert found["schema"].node_info.type.name.endswith("SchemaGen")


def test_the_guard_can_say_which_data_it_refused(nodes):
    assert "ingest" in producers(nodes["data-guard"])


def test_the_champion_is_looked_up_when_the_node_runs(nodes):
    assert "resolved" not in parameters(nodes["champion"]) or not parameters(nodes["champion"])["resolved"]
    assert list(nodes["champion"].upstream_nodes) == ["data-guard"]


def test_nothing_depends_on_the_machine_that_compiles(nodes, tmp_path):
    for node in nodes.values():
        assert parameters(node).get("host_key", "cluster") == "cluster"
    (tmp_path / "schema.pbtxt").write_text('feature { name: "frozen_here" }')
    elsewhere = graph_of(load(CONFIG, {**CYCLING, "runtime.workspace": str(tmp_path)}))
    assert list(elsewhere) == list(nodes)
    assert {name: parameters(node) for name, node in elsewhere.items()} == {
        name: parameters(node) for name, node in nodes.items()
    }


def test_pods_have_an_engine_of_their_own():
    flink = {"job_endpoint": "flink:8099", "environment_type": "EXTERNAL", "environment_config": "localhost:15000"}
    kubeflow = {"root": "s3://bucket/runs", "image": "registry/edge:1"}
    changes = {**CYCLING, "runtime.beam": {"runner": "flink", "options": {**flink, "parallelism": 2}}}

    def flags(section):
        pipeline = build(load(CONFIG, {**changes, "kubeflow": section}), unresolved_spec(load(CONFIG, CYCLING)),
                         pipeline_root="root", registry=REGISTRY, cluster=True)  # fmt: skip
        (ingest,) = (node for node in pipeline.components if node.id == "ingest")
        return ingest.executor_spec.beam_pipeline_args

    assert flags(kubeflow) == HERE
    told = flags({**kubeflow, "beam": {"runner": "flink", "options": flink}})
    assert told[:2] == ["--runner=FlinkRunner", "--job_endpoint=flink:8099"]


def test_nodes_that_look_outside_are_named(nodes):
    assert set(NEVER_CACHED) <= nodes.keys()
    reads = {node_id for node_id, node in nodes.items() if parameters(node).get("registry")}
    assert reads < set(NEVER_CACHED)


def test_a_cycle_on_a_machine_depends_on_the_same(config, tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    local = load(CONFIG, {"data.path": str(tmp_path), "runtime.workspace": str(tmp_path / "workspace")})
    from pipeline.cycles.fingerprint import HashCache

    here, there = take(local, HashCache(tmp_path / "hashes.json")), without_data(local)
    assert (here.model_code, here.node_code, here.config) == (there.model_code, there.node_code, there.config)
    assert not there.files
    assert "the frozen schema" not in there.inputs


def test_it_compiles_for_kubeflow(config, tmp_path):
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as kubeflow

    written = []
    for name in ("one.yaml", "two.yaml"):
        pipeline = build(
            config, unresolved_spec(config), pipeline_root="s3://bucket/root", registry=REGISTRY, cluster=True
        )
        settings = kubeflow.KubeflowV2DagRunnerConfig(default_image="image", use_pipeline_spec_2_1=True)
        runner = kubeflow.KubeflowV2DagRunner(settings, output_dir=str(tmp_path), output_filename=name)
        runner.run(pipeline, write_out=True)
        written.append((tmp_path / name).read_text())
    assert written[0] == written[1]
    assert "cycle-record" in written[0]


def test_what_a_cluster_cannot_do_is_refused_with_its_key():
    config = load(CONFIG, {**CYCLING, "data.guard": {"drift": {"notice": 0.1}}, "cycle.trigger": "drift"})
    with pytest.raises(UserError, match=r"cycle\.trigger: must be spans on a cluster.*got drift"):
        graph_of(config)

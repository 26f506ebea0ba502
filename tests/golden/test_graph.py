"""The compiled graph of the shipped configuration, node by node. Golden files hold graphs, never floats."""

import json
import os
import re
from pathlib import Path

import pytest
from tfx.dsl.compiler.compiler import Compiler
from tfx.orchestration import metadata
from tfx.proto.orchestration import executable_spec_pb2, pipeline_pb2

from components.ingest_spec import IngestSpec, SourceFile, SplitShare
from components.pretrained_spec import InputSpec, PretrainedSpec
from components.targets import to_text
from pipeline.beam_flags import flags as beam_flags
from pipeline.config import load
from pipeline.config.beam import BEAM_NODES
from pipeline.config.beam_options import LocalOptions
from pipeline.graph import NEVER_CACHED, build

pytestmark = pytest.mark.golden

ROOT = Path(__file__).resolve().parents[2]
UPDATE = "UPDATE_GOLDEN=1 .venv/bin/python -m pytest tests/golden"
HERE = beam_flags("local", LocalOptions())


def spec_for(config):
    ranges = config.data.splits.ranges()
    shares = tuple(
        SplitShare(name, part.source or "", part.first, part.first + part.buckets, part.total)
        for name, part in ranges.items()
    )
    label, task = to_text(config.data.labels), to_text(config.tasks)
    return IngestSpec(config.data.format, label, task, {}, shares, (SourceFile("data/a", "", 1, "0" * 64),))


def build_graph(config):
    connection = metadata.sqlite_metadata_connection_config(":memory:")
    return build(config, spec_for(config), pipeline_root="root", registry="registry", metadata=connection)


@pytest.fixture(scope="module")
def config():
    return load(ROOT / "configs" / "digits.yaml")


@pytest.fixture(scope="module")
def nodes(config):
    return [node.pipeline_node for node in Compiler().compile(build_graph(config)).nodes]


def plain(node):
    inputs = {
        key: sorted(f"{channel.producer_node_query.id}.{channel.output_key}" for channel in value.channels)
        + (["(optional)"] if value.min_count == 0 else [])
        for key, value in sorted(node.inputs.inputs.items())
    }
    parameters = {
        key: hide(value.field_value.string_value or str(value.field_value.int_value))
        for key, value in sorted(node.parameters.parameters.items())
    }
    return {
        "id": node.node_info.id,
        "type": node.node_info.type.name,
        "inputs": inputs,
        "after": sorted(node.upstream_nodes),
        "outputs": {key: value.artifact_spec.type.name for key, value in sorted(node.outputs.outputs.items())},
        "parameters": parameters,
    }


def hide(text):
    """Hashes of code change with every edit, the host from machine to machine, comments with every thought."""
    text = re.sub(r".* \| litert .*", "<host>", text)
    text = re.sub(r'"config": "(?:[^"\\]|\\.)*"', '"config": "<text>"', text)
    return re.sub(r"\b[0-9a-f]{64}\b", "<sha256>", text)


def test_graph_is_the_golden_one(nodes):
    path = Path(__file__).parent / "digits_graph.json"
    got = json.dumps([plain(node) for node in nodes], indent=1) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(got)
    assert got == path.read_text(), f"the graph changed; if that is meant: {UPDATE}"


def test_node_ids_suit_argo(nodes):
    for node in nodes:
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", node.node_info.id)


def test_no_node_resolves_or_depends_on_a_condition(nodes):
    for node in nodes:
        assert "Resolver" not in node.node_info.type.name
        assert not node.inputs.conditionals


def test_training_reads_train_and_validation_alone(nodes):
    """What else may read the eval split: a test of the pipeline takes it away and looks who fails."""
    trainer = next(node for node in nodes if node.node_info.id == "trainer").parameters.parameters
    assert json.loads(trainer["train_args"].field_value.string_value)["splits"] == ["train"]
    assert json.loads(trainer["eval_args"].field_value.string_value)["splits"] == ["validation"]


def test_every_code_of_ours_is_in_the_cache_key(nodes):
    """TFX's key sees neither dotted functions nor what they import."""
    for node in nodes:
        parameters = {key: value.field_value.string_value for key, value in node.parameters.parameters.items()}
        if node.node_info.type.name.startswith("components."):
            if "ImportSchema" not in node.node_info.type.name:
                assert re.fullmatch(r"[0-9a-f]{64}", parameters["code_sha256"])
        elif "custom_config" in parameters:
            assert re.search(r'"code_sha256": "[0-9a-f]{64}"', parameters["custom_config"])


def test_the_text_of_the_configuration_reaches_the_summary_alone(nodes):
    """A comment must redo no node: only the summary, which never comes from the cache, is told the text."""
    told = {
        node.node_info.id: json.loads(node.parameters.parameters["facts"].field_value.string_value)
        for node in nodes
        if "facts" in node.parameters.parameters
    }
    assert told["summary"]["details"]["config"] == (ROOT / "configs" / "digits.yaml").read_text()
    assert "summary" in NEVER_CACHED
    told.pop("summary")
    others = [str(node.parameters) for node in nodes if node.node_info.id != "summary"]
    assert not [text for text in [*others, json.dumps(told)] if "Handwritten digits" in text]


def test_what_a_user_writes_is_no_placeholder_of_kubeflow(tmp_path):
    text = (ROOT / "configs" / "digits.yaml").read_text() + "# {{workflow.name}} {{$.inputs}}\n"
    path = tmp_path / "edge.yaml"
    path.write_text(text)
    compiled = [node.pipeline_node for node in Compiler().compile(build_graph(load(path))).nodes]
    (facts,) = (
        node.parameters.parameters["facts"].field_value.string_value
        for node in compiled
        if node.node_info.id == "summary"
    )
    assert "{{" not in facts
    assert json.loads(facts)["details"]["config"] == text


def beam_flags(pipeline):
    """The flags of every node that runs on an engine."""
    deployment = pipeline_pb2.IntermediateDeploymentConfig()
    Compiler().compile(pipeline).deployment_config.Unpack(deployment)
    found = {}
    for node_id, packed in deployment.executor_specs.items():
        if packed.Is(executable_spec_pb2.BeamExecutableSpec.DESCRIPTOR):
            spec = executable_spec_pb2.BeamExecutableSpec()
            packed.Unpack(spec)
            found[node_id] = [part.value.string_value for part in spec.beam_pipeline_args_placeholders]
    return found


def test_beam_is_told_its_runner(config):
    found = beam_flags(build_graph(config))
    assert all(flags == HERE for flags in found.values())
    gates = [node_id for node_id in found if node_id.startswith("gate-")]
    assert found.keys() - set(gates) <= set(BEAM_NODES), "each of them can be named under runtime.beam.components"
    assert len(gates) == len(config.variants)


def test_the_nodes_that_read_data_run_on_the_engine_that_the_configuration_names():
    options = {"job_endpoint": "localhost:8099", "environment_type": "EXTERNAL", "environment_config": "localhost:1"}
    beam = {
        "runner": "flink",
        "options": {**options, "experiments": ["a"]},
        "components": {"gate": {"runner": "local"}, "statistics": {"options": {"parallelism": 8}}},
    }
    changes = {"runtime.beam": beam, "data.guard": {"drift": {"notice": 0.1}}, "gate.max_drop_vs_champion": 0.1}
    config = load(ROOT / "configs" / "digits.yaml", changes)
    found = beam_flags(build_graph(config))
    assert set(BEAM_NODES) <= found.keys()
    assert found["gate-int8"] == HERE
    assert found["drift"][0] == "--runner=FlinkRunner"
    # Once, though TFX itself would put the flags of the pipeline before those of the node.
    assert found["statistics"].count("--experiments=a") == 1
    assert "--parallelism=8" in found["statistics"]
    assert "--job_name=digits-statistics" in found["statistics"]


def test_outputs_travel_in_the_same_parameters(nodes):
    """Several outputs change what nodes are told, not which nodes there are."""
    outputs = {
        "data.label": {"digit": "label", "parity": "odd"},
        "data.label_names": None,
        "model.task": {"digit": "multiclass", "parity": "binary"},
        "gate": [{"output": "digit", "metric": "accuracy", "max_drop": 0.03},
                 {"output": "parity", "metric": "auc", "max_drop": 0.02}],
    }  # fmt: skip
    config = load(ROOT / "configs" / "digits.yaml", outputs)
    compiled = [node.pipeline_node for node in Compiler().compile(build_graph(config)).nodes]
    found = {node["id"]: node["parameters"] for node in map(plain, compiled)}
    assert list(found) == [node.node_info.id for node in nodes]
    for parameters in found.values():
        assert json.loads(parameters.get("label", "{}")) in ({}, outputs["data.label"])
        assert json.loads(parameters.get("task", "{}")) in ({}, outputs["model.task"])
    assert json.loads(found["trainer"]["custom_config"])["label"] == found["baseline"]["label"]
    assert (found["baseline"]["metric"], found["selector"]["metric"]) == ("digit/accuracy", "digit/accuracy")
    told = json.loads(found["gate-int8"]["spec"])
    assert [rule["metric"] for rule in told["rules"]] == ["digit/accuracy", "parity/auc"]
    assert (told["label"], told["task"]) == (outputs["data.label"], outputs["model.task"])


def test_all_that_train_read_alike():
    """The float model, its search, and every step: else a variant would be tuned on other examples."""
    changed = {"train.class_weights": {"0": 2.0}, "train.cache": "none", "train.shuffle_bytes": 1000}
    config = load(ROOT / "configs" / "digits_all_steps.yaml", changed)
    found = [plain(node.pipeline_node)["parameters"] for node in Compiler().compile(build_graph(config)).nodes]
    told = [json.loads(parameters["reading"]) for parameters in found if "reading" in parameters]
    trainer = json.loads(next(each["custom_config"] for each in found if "train_args" in each))
    expected = {"cache": "none", "shuffle_bytes": 1000, "class_weights": {"0": 2.0}}
    assert trainer["reading"] == expected
    assert len(told) >= 5
    assert all(reading == expected for reading in told)
    assert {each["module"] for each in found if "reading" in each} == {config.model.module}


@pytest.fixture(scope="module")
def search_config():
    student = [{"distill": {}}, {"quantize": {"mode": "int8"}}]
    return load(ROOT / "configs" / "digits_search.yaml", {"variants.student": student, "export.inputs": "raw"})


def test_a_search_hands_its_result_to_all_that_build_and_its_trials_to_the_summary(search_config):
    compiled = Compiler().compile(build_graph(search_config)).nodes
    found = {node["id"]: node for node in map(plain, (n.pipeline_node for n in compiled))}
    search = found["search"]
    assert search["inputs"] == {
        "examples": ["transform.transformed_examples"],
        "transform_graph": ["transform.transform_graph", "(optional)"],
    }
    assert "raw-transform" in search["after"]
    assert found["trainer"]["inputs"]["hyperparameters"][0] == "search.best_hyperparameters"
    (distill,) = (node for node_id, node in found.items() if node_id.startswith("distill-"))
    assert distill["inputs"]["found"][0] == "search.best_hyperparameters"
    assert found["summary"]["inputs"]["search"] == ["search.tuner_results", "(optional)"]
    assert json.loads(search["parameters"]["train_args"])["splits"] == ["train"]
    assert json.loads(search["parameters"]["eval_args"])["splits"] == ["validation"]
    told = json.loads(search["parameters"]["custom_config"])
    assert told["search"] == search_config.model.search.model_dump(mode="json")
    assert (told["metric"], told["trials_uri"], told["code_sha256"]) == ("accuracy", "root/search/trials", "<sha256>")


@pytest.fixture(scope="module")
def raw_config():
    return load(ROOT / "configs" / "digits.yaml", {"export.inputs": "raw"})


def test_with_raw_inputs_what_ships_holds_the_transform(raw_config, nodes):
    """The gate judges the model on transformed examples; all else looks at the file that holds both."""
    raw = {
        node["id"]: node
        for node in map(plain, (n.pipeline_node for n in Compiler().compile(build_graph(raw_config)).nodes))
    }
    before = {node.node_info.id for node in nodes}
    variants = [name.replace("_", "-") for name in raw_config.variants]
    assert raw.keys() - before == {"raw-transform", "raw-baseline", *(f"raw-{name}" for name in variants)}
    assert "raw-transform" in raw["trainer"]["after"]
    for name in variants:
        assert raw[f"gate-{name}"]["inputs"]["model"] == [f"quantize-{name}.compressed"]
        assert raw[f"gate-{name}"]["inputs"]["examples"] == ["transform.transformed_examples"]
        assert raw[f"raw-{name}"]["inputs"] == {
            "examples": ["ingest.examples"],
            "front": ["raw-transform.front"],
            "model": [f"quantize-{name}.compressed"],
            "transform_graph": ["transform.transform_graph"],
        }
    for name in ("baseline", *variants):
        edge = raw[f"edge-{name}"]
        assert edge["inputs"]["model"] == [f"raw-{name}.exported"]
        assert edge["inputs"]["examples"] == ["ingest.examples"]
        assert edge["parameters"]["inputs"] == "raw"
    for node_id in ("selector", "summary"):
        models = {key: value for key, value in raw[node_id]["inputs"].items() if key.startswith("model_")}
        assert models == {
            f"model_{name}": [f"raw-{name.replace('_', '-')}.exported", "(optional)"] for name in raw_config.variants
        }
    assert raw["summary"]["inputs"]["baseline"] == ["raw-baseline.exported", "(optional)"]


@pytest.fixture(scope="module")
def champion_config():
    return load(ROOT / "configs" / "digits.yaml", {"gate.max_drop_vs_champion": 0.02, "train.warm_start": "champion"})


def test_the_champion_is_there_for_those_who_ask(champion_config, nodes):
    """One node reads the registry, one asks the champion, once for all gates; a gate may do without."""
    compiled = [node.pipeline_node for node in Compiler().compile(build_graph(champion_config)).nodes]
    found = {node["id"]: node for node in map(plain, compiled)}
    before = {node.node_info.id for node in nodes}
    assert found.keys() - before == {"champion", "champion-answers"}
    assert (found["champion"]["inputs"], found["champion"]["parameters"]["registry"]) == ({}, "registry")
    assert found["champion-answers"]["inputs"] == {
        "champion": ["champion.champion"],
        "examples": ["ingest.examples"],
        "transform_graph": ["champion.transform_graph"],
    }
    assert "transform" in found["champion-answers"]["after"]
    for name in champion_config.variants:
        inputs = found[f"gate-{name.replace('_', '-')}"]["inputs"]
        assert inputs["champion_answers"] == ["champion-answers.champion_answers", "(optional)"]
        assert inputs["raw_examples"] == ["ingest.examples", "(optional)"]
    assert found["trainer"]["inputs"]["base_model"][0] == "champion.float_model"
    assert found["summary"]["inputs"]["champion"] == ["champion.champion", "(optional)"]
    assert found["summary"]["inputs"]["training"] == ["trainer.model_run", "(optional)"]


def test_warm_start_alone_asks_the_champion_nothing():
    config = load(ROOT / "configs" / "digits.yaml", {"train.warm_start": "champion"})
    ids = [node.pipeline_node.node_info.id for node in Compiler().compile(build_graph(config)).nodes]
    assert "champion" in ids
    assert "champion-answers" not in ids


def test_a_pretrained_model_stands_where_the_trainer_stood(nodes, tmp_path):
    text = (ROOT / "configs" / "digits.yaml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith(("train:", "  hparams:"))]
    path = tmp_path / "edge.yaml"
    path.write_text("\n".join(lines).replace("  module: models.digits", "  pretrained: digits.keras"))
    config = load(path)
    spec = PretrainedSpec("digits.keras", "0" * 64, {"image": InputSpec("float32", (8, 8, 1))})
    connection = metadata.sqlite_metadata_connection_config(":memory:")
    pipeline = build(
        config, spec_for(config), pipeline_root="root", registry="registry", pretrained=spec, metadata=connection
    )
    got = {node["id"]: node for node in (plain(n.pipeline_node) for n in Compiler().compile(pipeline).nodes)}
    expected = {node["id"]: node for node in map(plain, nodes)}
    assert got.keys() - expected.keys() == {"pretrained"}
    assert expected.keys() - got.keys() == {"trainer"}
    assert expected["summary"]["inputs"].pop("training") == ["trainer.model_run", "(optional)"]  # nothing was trained
    for node_id in got.keys() & expected.keys() - {"transform"}:
        inputs = json.loads(json.dumps(expected[node_id]["inputs"]).replace("trainer.", "pretrained."))
        assert got[node_id]["inputs"] == inputs
    assert json.loads(got["pretrained"]["parameters"]["spec"])["inputs"] == {
        "image": {"dtype": "float32", "shape": [8, 8, 1]}
    }
    assert got["transform"]["parameters"]["preprocessing_fn"] == "components.passthrough.preprocessing_fn"


@pytest.mark.parametrize("inputs", ["config", "raw_config", "search_config", "champion_config"])
def test_graph_compiles_for_kubeflow(inputs, request, tmp_path):
    """The same graph, offline; what a cluster needs beyond this is not done yet."""
    config = request.getfixturevalue(inputs)
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as kubeflow

    pipeline = build(config, spec_for(config), pipeline_root="s3://bucket/root", registry="/registry")
    runner = kubeflow.KubeflowV2DagRunner(
        kubeflow.KubeflowV2DagRunnerConfig(default_image="image", use_pipeline_spec_2_1=True),
        output_dir=str(tmp_path),
        output_filename="graph.yaml",
    )
    runner.run(pipeline, write_out=True)
    assert "schemaVersion: 2.1.0" in (tmp_path / "graph.yaml").read_text()

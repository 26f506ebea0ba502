"""Every rule for packages fails on what TFX writes by itself, and holds for what we make of it."""

import json
import re
from pathlib import Path

import pytest
from tfx.components import CsvExampleGen, Transform
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.common.importer import Importer
from tfx.dsl.components.common.resolver import Resolver
from tfx.dsl.experimental.conditionals.conditional import Cond
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import LatestBlessedModelStrategy
from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import KubeflowV2DagRunner, KubeflowV2DagRunnerConfig
from tfx.orchestration.pipeline import Pipeline
from tfx.types.channel import Channel
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, Schema, String

from kubeflow import check, postprocess
from kubeflow.compile import build, check_parameters, package_of
from kubeflow.package import Package
from pipeline.config import load
from pipeline.errors import EdgeError

pytestmark = pytest.mark.golden

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "digits_kubeflow.yaml"


@component
def Make(  # noqa: N802
    model: OutputArtifact[Model], blessing: OutputArtifact[ModelBlessing], text: Parameter[str] = ""
) -> None:
    """Stands for any component."""


@component
def Write(text: OutputArtifact[String]) -> None:  # noqa: N802
    """Makes a value that another component is told."""


@component
def Use(model: InputArtifact[Model], text: Parameter[str] = "") -> None:  # noqa: N802
    """Reads what another component wrote."""


@component
def Told(limits: Parameter[dict[str, int]]) -> None:  # noqa: N802
    """Is told a mapping."""


def of_tfx(nodes, exit_handler=None, **settings):
    """The job of a pipeline as TFX writes it, with its own image and entrypoint."""
    runner = KubeflowV2DagRunner(KubeflowV2DagRunnerConfig(**{"use_pipeline_spec_2_1": True, **settings}))
    if exit_handler is not None:
        runner.set_exit_handler(exit_handler)
    pipeline = nodes if isinstance(nodes, Pipeline) else Pipeline("raw", "/tmp/root", components=nodes)
    return Package.from_text(json.dumps(runner.run(pipeline, write_out=False)))


def same_graph():
    """Stands for the fixture `raw_graph`, which is made once."""


def resolver():
    resolved = Resolver(
        strategy_class=LatestBlessedModelStrategy,
        model=Channel(type=Model),
        model_blessing=Channel(type=ModelBlessing),
    ).with_id("champion")
    return of_tfx([resolved, Use(model=resolved.outputs["model"]).with_id("use")])


def told_by_another():
    write = Write().with_id("write")
    return of_tfx([write, Make(text=write.outputs["text"].future()[0].value).with_id("make")])


def runtime_parameter():
    return RuntimeParameter(name="window", ptype=str, default="3")


def with_exit_handler():
    return of_tfx([Make(text=runtime_parameter()).with_id("make")], exit_handler=Make().with_id("last"))


def importer_in_condition():
    make = Make().with_id("make")
    with Cond(make.outputs["blessing"].future()[0].custom_property("blessed") == 1):
        schema = Importer(source_uri="gs://bucket/schema", artifact_type=Schema).with_id("schema")
    return of_tfx([make, schema])


def with_wheel():
    """TFX packs a module file while it compiles, into the pipeline root."""
    module = "transform@/tmp/root/_wheels/tfx_user_code_Transform-0.0-py3-none-any.whl"
    examples = Importer(source_uri="gs://bucket/examples", artifact_type=Examples).with_id("examples")
    schema = Importer(source_uri="gs://bucket/schema", artifact_type=Schema).with_id("schema")
    transform = Transform(
        examples=examples.outputs["result"], schema=schema.outputs["result"], preprocessing_fn="a.preprocessing_fn"
    ).with_id("transform")
    transform.exec_properties["module_path"] = module
    return of_tfx([examples, schema, transform])


def with_ids():
    return of_tfx([Make().with_id("my_step.v2")])


RAW = {
    "schema-version": lambda: of_tfx([Make()], use_pipeline_spec_2_1=False),
    "documents": same_graph,
    "executors": resolver,
    "names": with_ids,
    "producers": told_by_another,
    "parameter-defaults": lambda: of_tfx([Make(text=runtime_parameter())]),
    "nested-parameters": with_exit_handler,
    "typed-inputs": same_graph,
    "system-outputs": same_graph,
    "remote-uris": same_graph,
    "outputs-mapped-back": same_graph,
    "no-hooks": lambda: of_tfx([CsvExampleGen(input_base="/data/span-{SPAN}").with_id("examples")]),
    "caching": same_graph,
    "inputs-always-there": resolver,
    "importers": importer_in_condition,
    "conditions": same_graph,
    "pods": same_graph,
    "image": same_graph,
    "page": same_graph,
    "pipeline-root": with_wheel,
    "templates": lambda: of_tfx([Make(text="{{workflow.name}}").with_id("make")]),
}
"""Rule -> a pipeline whose unprocessed spec breaks it."""


@pytest.fixture(scope="module")
def config():
    return load(CONFIG)


@pytest.fixture(scope="module")
def graph(config):
    return build(config, config.kubeflow)


@pytest.fixture(scope="module")
def package(config, graph):
    return package_of(config, config.kubeflow, graph)


@pytest.fixture(scope="module")
def raw_graph(graph):
    """What a user gets who compiles the graph of our configuration as TFX's documentation says."""
    return of_tfx(graph)


WATCH_OUR_OWN = {"parameter-types", "protobufs"}
"""What TFX writes keeps these: they watch what we add and change."""


def test_every_rule_has_its_raw_spec():
    assert list(RAW) == [name for name in check.RULES if name not in WATCH_OUR_OWN]


@pytest.mark.parametrize("name", RAW)
def test_a_rule_fails_on_what_tfx_writes(name, raw_graph):
    make = RAW[name]
    faults = check.RULES[name].find(raw_graph if make is same_graph else make())
    assert faults
    assert all(re.search(r"\bmust\b", fault) for fault in faults)


@pytest.mark.parametrize("name", check.RULES)
def test_a_rule_holds_for_ours(name, package):
    assert check.RULES[name].find(package) == []


def test_the_raw_graph_of_ours_breaks_what_the_post_processor_mends(raw_graph):
    broken = {name for name, faults in check.check(raw_graph).items() if faults}
    elsewhere_too = {"parameter-defaults", "pipeline-root"}
    assert broken == {name for name, make in RAW.items() if make is same_graph} | elsewhere_too


def test_lists_and_mappings_among_parameters_are_refused():
    """They would arrive as JSON text in a component that expects a mapping."""
    pipeline = Pipeline("raw", "/tmp/root", components=[Told(limits={"a": 1}).with_id("told")])
    with pytest.raises(EdgeError, match="parameter limits of told must be text or a number, got a dict"):
        check_parameters(pipeline)


WITHOUT = {
    "with_root": "pipeline-root",
    "with_defaults": "parameter-defaults",
    "without_cache": "caching",
    "only_with_news": "conditions",
    "with_environment": "pods",
    "with_report": "page",
}


@pytest.mark.parametrize(("function", "rule"), WITHOUT.items())
def test_each_step_of_the_post_processor_keeps_its_rule(monkeypatch, config, graph, function, rule):
    monkeypatch.setattr(postprocess, function, lambda spec, *_: spec)
    found = check.check(package_of(config, config.kubeflow, graph))
    broken = {name for name, faults in found.items() if faults}
    assert broken == {rule}

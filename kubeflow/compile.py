"""A configuration as a package that Kubeflow Pipelines takes: two YAML documents. Needs TFX, and no network."""

from typing import Any

from tfx.orchestration.data_types import RuntimeParameter
from tfx.orchestration.kubeflow.v2.kubeflow_v2_dag_runner import KubeflowV2DagRunner, KubeflowV2DagRunnerConfig
from tfx.orchestration.pipeline import Pipeline

from kubeflow.package import Package
from kubeflow.postprocess import process
from kubeflow.refusals import refuse
from kubeflow.rules.steps import ENTRYPOINT
from kubeflow.spec.document import Spec, tasks
from kubeflow.spec.needs import kinds, resolve
from pipeline import graph
from pipeline.cluster_nodes import NEVER_CACHED
from pipeline.config import Config, SectionError
from pipeline.config.kubeflow import KubeflowSection
from pipeline.errors import EdgeError
from pipeline.model_preflight import check_model
from pipeline.plan import make_plan
from pipeline.sources import unresolved_spec

MEASURES = "edge"
"""The kind of step whose result holds for the machine that it ran on, which Kubeflow's cache does not know."""


def compile_package(config: Config) -> Package:
    """Compiles a configuration.

    Raises:
        UserError: It cannot run on a cluster; with all faults, each with its key path.
    """
    section = refuse(config)
    return package_of(config, section, build(config, section))


def package_of(config: Config, section: KubeflowSection, pipeline: Pipeline) -> Package:
    """The package of a graph that `build` made.

    Raises:
        UserError: `kubeflow.steps` speaks of nodes that there are not.
    """
    check_parameters(pipeline)
    spec = unprocessed(pipeline, section.image)
    known = kinds(config)
    try:
        needs = resolve(section.steps, {name: known.get(name, "") for name in tasks(spec)})
    except SectionError as error:
        raise config.refuse([fault.under(("kubeflow", "steps")) for fault in error.faults]) from error
    uncached = {*NEVER_CACHED, *(name for name, kind in known.items() if kind == MEASURES)}
    return Package(*process(spec, section, needs, defaults=runtime_defaults(pipeline), never_cached=uncached))


def build(config: Config, section: KubeflowSection) -> Pipeline:
    """The graph as it runs on a cluster, where ingest looks for the files and everything else is as on one machine."""
    return graph.build(
        config,
        unresolved_spec(config),
        pipeline_root=section.root,
        registry=str(config.push.to),
        pretrained=check_model(config, make_plan(config)),
        cluster=True,
    )


def check_parameters(pipeline: Pipeline) -> None:
    """Refuses lists and mappings among parameters: they would arrive as JSON text, which no step expects.

    Our components take such values as text everywhere and decode them themselves.

    Raises:
        EdgeError: There are some; a fault of the graph, not of the user.
    """
    found = [
        f"parameter {key} of {node.id} must be text or a number, got a {type(value).__name__}; give it as JSON text"
        for node in pipeline.components
        for key, value in node.exec_properties.items()
        if isinstance(value, list | tuple | dict)
    ]
    if found:
        raise EdgeError("\n".join(found))


def unprocessed(pipeline: Pipeline, image: str) -> Spec:
    """The spec as TFX writes it, with our entrypoint."""
    runner = KubeflowV2DagRunner(
        KubeflowV2DagRunnerConfig(default_image=image, default_commands=list(ENTRYPOINT), use_pipeline_spec_2_1=True)
    )
    job: dict[str, Any] = runner.run(pipeline, write_out=False)
    spec: Spec = job["pipelineSpec"]
    return spec


def runtime_defaults(pipeline: Pipeline) -> dict[str, object]:
    """The parameters that a run may be given, with their defaults."""
    return {
        value.name: value.default
        for node in pipeline.components
        for value in node.exec_properties.values()
        if isinstance(value, RuntimeParameter)
    }

"""A small pipeline as TFX writes it, and the same after our changes; no TFX is imported."""

import copy
import json

import pytest

from kubeflow.package import Package
from kubeflow.postprocess import process
from kubeflow.spec.needs import resolve
from pipeline.config.kubeflow import KubeflowSection

SECTION = {"root": "s3://bucket/runs", "image": "registry.example/tfx-edge:1"}


def typed(title):
    return {"artifactType": {"instanceSchema": f"title: {title}\ntype: object\n"}}


def node(name, inputs, outputs, parameters):
    """A task, its component and its executor."""
    component = {
        "executorLabel": f"{name}_executor",
        "inputDefinitions": {
            "artifacts": {key: typed(title) for key, (_, title) in inputs.items()},
            "parameters": {
                key: {"parameterType": "NUMBER_INTEGER" if isinstance(value, float) else "STRING"}
                for key, value in parameters.items()
            },
        },
        "outputDefinitions": {"artifacts": {key: typed(title) for key, title in outputs.items()}},
    }
    task = {
        "taskInfo": {"name": name},
        "componentRef": {"name": name},
        "cachingOptions": {"enableCache": True},
        "dependentTasks": sorted({source.partition(".")[0] for source, _ in inputs.values()}),
        "inputs": {
            "artifacts": {
                key: {
                    "taskOutputArtifact": {
                        "producerTask": source.partition(".")[0],
                        "outputArtifactKey": source.partition(".")[2],
                    }
                }
                for key, (source, _) in inputs.items()
            },
            "parameters": {key: {"runtimeValue": {"constant": value}} for key, value in parameters.items()},
        },
    }
    told = json.dumps(component["inputDefinitions"], indent=2)
    args = ["--executor_class_path", f"a.{name}", "--json_serialized_invocation_args", "{{$}}"]
    container = {
        "image": SECTION["image"],
        "command": ["python", "-m", "kubeflow.container"],
        "args": [*args, "--json_serialized_inputs_spec_args", told, "--runner=FnApiRunner"],
    }
    return task, component, {"container": container}


NODES = {
    "ingest": ({}, {"examples": "tfx.Examples"}, {"spec": '{"path": "s3://bucket/data"}'}),
    "data-guard": ({"examples": ("ingest.examples", "tfx.Examples")}, {"checked": "tfx.Artifact"}, {}),
    "champion": ({}, {"champion": "tfx.Model"}, {"registry": "s3://bucket/models"}),
    "trainer": (
        {"examples": ("ingest.examples", "tfx.Examples"), "base_model": ("champion.champion", "tfx.Model")},
        {"model": "tfx.Model"},
        {"seed": 1.0},
    ),
    "edge-int8": ({"model": ("trainer.model", "tfx.Model")}, {"blessing": "tfx.InfraBlessing"}, {"host_key": "a cpu"}),
    "summary": ({"model": ("trainer.model", "tfx.Model")}, {"summary": "tfx.ModelEvaluation"}, {}),
}


@pytest.fixture
def raw():
    """The spec as TFX writes it."""
    built = {name: node(name, *parts) for name, parts in NODES.items()}
    built["champion"][0]["dependentTasks"] = ["data-guard"]
    return {
        "pipelineInfo": {"name": "small"},
        "schemaVersion": "2.1.0",
        "sdkVersion": "tfx-1.21.0",
        "root": {"dag": {"tasks": {name: task for name, (task, _, _) in built.items()}}},
        "components": {name: component for name, (_, component, _) in built.items()},
        "deploymentSpec": {"executors": {f"{name}_executor": executor for name, (_, _, executor) in built.items()}},
    }


@pytest.fixture
def section():
    """Makes the section `kubeflow` from what differs from the least that it must hold."""
    return lambda **more: KubeflowSection(**{**SECTION, **more})


KINDS = {"edge-int8": "edge"}
NEVER_CACHED = ("ingest", "champion", "edge-int8", "summary", "cycle-record")


@pytest.fixture
def compiled(raw, section):
    """Makes the package of a section; asserts that the raw spec stays as it was."""

    def make(defaults=None, **more):
        before = copy.deepcopy(raw)
        made = section(**more)
        needs = resolve(made.steps, {name: KINDS.get(name, "") for name in NODES})
        documents = process(raw, made, needs, defaults=defaults or {}, never_cached=NEVER_CACHED)
        assert raw == before
        return Package(*documents)

    return make


@pytest.fixture
def package(compiled):
    return compiled()

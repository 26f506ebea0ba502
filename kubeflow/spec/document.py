"""A pipeline spec as plain values, under the names of `pipeline_spec.proto` in JSON, and where things are in it."""

import copy
from collections.abc import Iterator
from typing import Any

Spec = dict[str, Any]
"""A PipelineSpec, or the document of platform settings beside it."""


def changed(spec: Spec) -> Spec:
    """A copy to change."""
    return copy.deepcopy(spec)


def tasks(spec: Spec) -> dict[str, Spec]:
    """The tasks of the pipeline, by name."""
    found: dict[str, Spec] = spec["root"]["dag"]["tasks"]
    return found


def component(spec: Spec, task: str) -> Spec:
    """The component that a task runs."""
    found: Spec = spec["components"][tasks(spec)[task]["componentRef"]["name"]]
    return found


def executors(spec: Spec) -> dict[str, Spec]:
    """The executors, by label."""
    found: dict[str, Spec] = spec["deploymentSpec"]["executors"]
    return found


def containers(spec: Spec) -> Iterator[tuple[str, Spec]]:
    """Tasks and the containers that they run; tasks that run none are left out."""
    for name in tasks(spec):
        container = executors(spec).get(component(spec, name).get("executorLabel", ""), {}).get("container")
        if container is not None:
            yield name, container


def producers(task: Spec) -> dict[str, tuple[str, str]]:
    """Artifact input -> the task and the output that it comes from."""
    inputs = task.get("inputs", {}).get("artifacts", {})
    return {
        key: (source["taskOutputArtifact"]["producerTask"], source["taskOutputArtifact"]["outputArtifactKey"])
        for key, source in inputs.items()
        if "taskOutputArtifact" in source
    }


def upstream(task: Spec) -> set[str]:
    """The tasks that must have succeeded before this one."""
    return {*task.get("dependentTasks", []), *(producer for producer, _ in producers(task).values())}

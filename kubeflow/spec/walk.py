"""Ways through a spec that may hold pipelines inside of pipelines."""

from collections.abc import Iterator

from kubeflow.spec.document import Spec


def dags(spec: Spec) -> Iterator[tuple[str, Spec]]:
    """Name and component of every part that holds tasks, the root first."""
    yield "root", spec["root"]
    for name, component in spec.get("components", {}).items():
        if "dag" in component:
            yield name, component


def all_tasks(spec: Spec) -> Iterator[tuple[str, Spec, Spec]]:
    """Every task with its name and the component of the part that holds it."""
    for _, holder in dags(spec):
        for name, task in holder["dag"].get("tasks", {}).items():
            yield name, task, holder


def constants(spec: Spec) -> Iterator[tuple[str, object]]:
    """Every constant that a task is given, as `task.parameter`."""
    for name, task, _ in all_tasks(spec):
        for key, source in task.get("inputs", {}).get("parameters", {}).items():
            if "runtimeValue" in source:
                yield f"{name}.{key}", source["runtimeValue"].get("constant")

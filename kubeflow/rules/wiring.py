"""Rules about what tasks are given, and by whom."""

import re
from collections.abc import Iterator

from kubeflow.package import Package
from kubeflow.spec.conditions import SOURCE, condition
from kubeflow.spec.document import Spec, executors, producers, tasks, upstream
from kubeflow.spec.walk import all_tasks, constants, dags

_TERM = r"\(?inputs\.artifacts\['(?P<key>[^']+)'\]\.artifacts\[0\]\.metadata\['[^']+'\] == 1\.0\)?"
_VALUE_TYPES: dict[str, tuple[type, ...]] = {
    "STRING": (str,),
    "NUMBER_INTEGER": (int, float),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": (bool,),
}


def known_producers(package: Package) -> list[str]:
    """The compiler looks producers up by the name of their task, beside the task that reads."""
    faults = []
    for name, task, holder in all_tasks(package.pipeline):
        beside = holder["dag"]["tasks"]
        read = {*upstream(task), *_parameter_producers(task)}
        faults += [f"task {name} must read from tasks beside it, got {other}" for other in sorted(read - set(beside))]
    return faults


def _parameter_producers(task: Spec) -> Iterator[str]:
    for source in task.get("inputs", {}).get("parameters", {}).values():
        if "taskOutputParameter" in source:
            yield source["taskOutputParameter"]["producerTask"]


def parameter_defaults(package: Package) -> list[str]:
    """A schedule gives no parameters, so each must have a default."""
    declared = package.pipeline["root"].get("inputDefinitions", {}).get("parameters", {})
    return [
        f"parameter {name} must have a default"
        for name, entry in declared.items()
        if "defaultValue" not in entry and not entry.get("isOptional")
    ]


def nested_parameters(package: Package) -> list[str]:
    """A task inside of another pipeline reads that one's inputs, never those of the one around it."""
    faults = []
    for holder_name, holder in dags(package.pipeline):
        declared = holder.get("inputDefinitions", {}).get("parameters", {})
        for name, task in holder["dag"].get("tasks", {}).items():
            for key, source in task.get("inputs", {}).get("parameters", {}).items():
                wanted = source.get("componentInputParameter")
                if wanted is not None and wanted not in declared:
                    faults.append(f"task {name} must read inputs of {holder_name}, got {wanted} for {key}")
    return faults


def inputs_always_there(package: Package) -> list[str]:
    """Kubeflow knows no absent artifact: each input comes from a container that always writes it."""
    faults = []
    for name, task, holder in all_tasks(package.pipeline):
        component = package.pipeline["components"].get(task["componentRef"]["name"], {})
        sources = producers(task)
        for key, entry in component.get("inputDefinitions", {}).get("artifacts", {}).items():
            if key not in sources or entry.get("isOptional"):
                faults.append(f"input {key} of {name} must come from a task")
            elif not _always_writes(package.pipeline, holder, *sources[key]):
                faults.append(f"input {key} of {name} must come from a container, got {'.'.join(sources[key])}")
    return faults


def _always_writes(spec: Spec, holder: Spec, producer: str, output: str) -> bool:
    task = holder["dag"]["tasks"].get(producer)
    if task is None:
        return True  # `known_producers` says so
    component = spec["components"].get(task["componentRef"]["name"], {})
    executor = executors(spec).get(component.get("executorLabel", ""), {})
    declared = component.get("outputDefinitions", {}).get("artifacts", {})
    return output in declared and bool({"container", "importer"} & set(executor))


def importers_unconditional(package: Package) -> list[str]:
    """An importer is driver and step in one, so nothing can stand between the two."""
    found = executors(package.pipeline)
    return [
        f"importer {name} must have no condition"
        for name, task, _ in all_tasks(package.pipeline)
        if "condition" in task.get("triggerPolicy", {}) and "importer" in found.get(_label(package.pipeline, task), {})
    ]


def _label(spec: Spec, task: Spec) -> str:
    label: str = spec["components"].get(task["componentRef"]["name"], {}).get("executorLabel", "")
    return label


def conditions(package: Package) -> list[str]:
    """Conditions read the task's own inputs, and a run with nothing new leaves out all tasks but the first."""
    faults = []
    for name, task, _ in all_tasks(package.pipeline):
        text = task.get("triggerPolicy", {}).get("condition")
        if text is None:
            continue
        for term in text.split(" && "):
            found = re.fullmatch(_TERM, term)
            if found is None:
                faults.append(f"the condition of {name} must compare a property of an input with 1.0, got {term}")
            elif found["key"] not in producers(task):
                faults.append(f"the condition of {name} must read an input of it, got {found['key']}")
    return faults + [
        f"task {name} must be left out when {SOURCE} finds nothing new"
        for name in tasks(package.pipeline)
        if name != SOURCE and not _left_out(package.pipeline, name)
    ]


def _left_out(spec: Spec, name: str) -> bool:
    """Whether a task is skipped itself, or waits for one that is left out."""
    waiting, seen = [name], set()
    while waiting:
        task_name = waiting.pop()
        task = tasks(spec).get(task_name)
        if task is None or task_name in seen:
            continue
        seen.add(task_name)
        text = task.get("triggerPolicy", {}).get("condition", "")
        if any(condition(key) in text for key, source in producers(task).items() if source[0] == SOURCE):
            return True
        waiting += upstream(task)
    return False


def parameter_types(package: Package) -> list[str]:
    """The driver refuses a value of another type, and TFX writes lists and mappings as text."""
    declared = {
        f"{name}.{key}": entry["parameterType"]
        for name, task, _ in all_tasks(package.pipeline)
        for key, entry in package.pipeline["components"]
        .get(task["componentRef"]["name"], {})
        .get("inputDefinitions", {})
        .get("parameters", {})
        .items()
    }
    faults = []
    for place, value in constants(package.pipeline):
        kind = declared.get(place)
        allowed = _VALUE_TYPES.get(str(kind))
        if allowed is None:
            faults.append(f"{place} must be text that the step decodes itself, got the type {kind}")
        elif not isinstance(value, allowed) or (isinstance(value, bool) and kind != "BOOLEAN"):
            faults.append(f"{place} must be of the type {kind}, got {type(value).__name__}")
    return faults

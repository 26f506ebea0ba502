"""Rules across sections: metrics, tasks and class names must fit each other."""

from collections.abc import Iterator

from compression.settings.metrics import METRICS
from pipeline.config.faults import Fault, KeyPath, nearest, show


def disagreements(*, label_names: object, task: object, gate: object) -> list[Fault]:
    """Where sections do not agree; values may be missing or wrong themselves, which is for their sections to say.

    Args:
        label_names: `data.label_names`.
        task: `model.task`.
        gate: One rule or several, plain.
    """
    return [*_gate_faults(gate, task), *_name_faults(label_names, task)]


def _gate_faults(gate: object, task: object) -> Iterator[Fault]:
    known = [name for name, row in METRICS.items() if isinstance(task, str) and task in row.class_names]
    for path, rule in _rules(gate):
        metric = rule.get("metric")
        if isinstance(metric, str) and metric in METRICS and known and metric not in known:
            must = f"must be one of {', '.join(known)} for the task {task}"
            yield Fault((*path, "metric"), must, show(metric), nearest(metric, known))


def _rules(gate: object) -> Iterator[tuple[KeyPath, dict[str, object]]]:
    if isinstance(gate, dict):
        yield ("gate",), gate
    for position, rule in enumerate(gate if isinstance(gate, list) else []):
        if isinstance(rule, dict):
            yield ("gate", position), rule


def _name_faults(label_names: object, task: object) -> Iterator[Fault]:
    here = ("data", "label_names")
    if label_names and task == "regression":
        yield Fault(here, "must be left out for the task regression", "names", "remove label_names")
    if task == "binary" and isinstance(label_names, list | tuple) and len(label_names) > 2:
        yield Fault(here, "must hold two names for the task binary", f"{len(label_names)} names")

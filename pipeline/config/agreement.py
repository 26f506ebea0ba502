"""Rules across sections: outputs, tasks, metrics and class names must fit each other.

Values may be missing or wrong themselves, which is for their own sections to say; here they are passed over.
"""

from collections.abc import Iterator, Sequence

from compression.outputs import SOLE, by_output
from compression.settings.metrics import METRICS
from pipeline.config.class_weights import weight_faults
from pipeline.config.faults import Fault, KeyPath, nearest, show


def disagreements(
    *, label: object, label_names: object, task: object, gate: object, class_weights: object = None
) -> list[Fault]:
    """Where sections do not agree.

    Args:
        label: `data.label`.
        label_names: `data.label_names`.
        task: `model.task`.
        gate: One rule or several, plain.
        class_weights: `train.class_weights`.
    """
    if isinstance(label, dict) and len(label) < 2:
        advice = "for a model with one output write the feature alone"
        return [Fault(("data", "label"), "must name at least two outputs", show(label), advice)]
    outputs = _outputs(label)
    tasks = dict(task) if isinstance(task, dict) else dict.fromkeys(outputs or [SOLE], task)
    return [
        *(_task_faults(task, outputs) if isinstance(task, dict) and outputs else ()),
        *_gate_faults(gate, outputs, tasks),
        *_name_faults(label_names, outputs, tasks),
        *weight_faults(class_weights, label_names, outputs, tasks),
    ]


def _outputs(label: object) -> list[str]:
    """The outputs, the only one being `SOLE`; empty where they are not known."""
    if isinstance(label, dict):
        return [name for name in label if isinstance(name, str)]
    return [SOLE] if isinstance(label, str) else []


def _unknown(path: KeyPath, output: object, outputs: Sequence[str]) -> Fault:
    must = f"must be one of the outputs {', '.join(outputs)} of data.label"
    return Fault(path, must, show(output), nearest(output, outputs))


def _task_faults(task: dict[str, object], outputs: list[str]) -> Iterator[Fault]:
    here = ("model", "task")
    if outputs == [SOLE]:
        must, advice = "must be one task, because data.label names one feature", "name the outputs in data.label too"
        yield Fault(here, must, show(task), advice)
        return
    missing = [name for name in outputs if name not in task]
    if missing:
        yield Fault(here, f"must give the task of {', '.join(missing)} too", show(task))
    yield from (_unknown((*here, name), name, outputs) for name in task if name not in outputs)


def _gate_faults(gate: object, outputs: list[str], tasks: dict[str, object]) -> Iterator[Fault]:
    for path, rule in _rules(gate):
        output, metric = rule.get("output"), rule.get("metric")
        yield from _output_faults(path, output, outputs)
        task = tasks.get(output if isinstance(output, str) else SOLE)
        known = [name for name, row in METRICS.items() if isinstance(task, str) and task in row.class_names]
        if isinstance(metric, str) and metric in METRICS and known and metric not in known:
            must = f"must be one of {', '.join(known)} for the task {task}"
            yield Fault((*path, "metric"), must, show(metric), nearest(metric, known))


def _rules(gate: object) -> Iterator[tuple[KeyPath, dict[str, object]]]:
    if isinstance(gate, dict):
        yield ("gate",), gate
    for position, rule in enumerate(gate if isinstance(gate, list) else []):
        if isinstance(rule, dict):
            yield ("gate", position), rule


def _output_faults(path: KeyPath, output: object, outputs: list[str]) -> Iterator[Fault]:
    if outputs == [SOLE] and output is not None:
        advice = "name the outputs in data.label to have several"
        yield Fault((*path, "output"), "must be left out for a model with one output", show(output), advice)
    elif outputs and outputs != [SOLE] and output is None:
        yield Fault(path, f"must say which output it is about, one of {', '.join(outputs)}", "none", "add output")
    elif outputs and isinstance(output, str) and output not in outputs:
        yield _unknown((*path, "output"), output, outputs)


def _name_faults(label_names: object, outputs: list[str], tasks: dict[str, object]) -> Iterator[Fault]:
    here = ("data", "label_names")
    if not label_names or not outputs:
        return
    several = outputs != [SOLE]
    if isinstance(label_names, dict) != several:
        must = "must be a mapping from output to names" if several else "must be a list of names"
        yield Fault(here, f"{must}, as data.label is one" if several else must, show(label_names))
        return
    for output, names in by_output(label_names).items():
        place = (*here, output) if several else here
        task = tasks.get(output)
        if output not in outputs:
            yield _unknown(place, output, outputs)
        elif task == "regression":
            yield Fault(place, "must be left out for the task regression", "names", "remove label_names")
        elif task == "binary" and isinstance(names, list | tuple) and len(names) > 2:
            yield Fault(place, "must hold two names for the task binary", f"{len(names)} names")

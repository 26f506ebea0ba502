"""A run with nothing new ends after ingest."""

from kubeflow.spec.document import Spec, changed, producers, tasks, upstream

SOURCE, OUTPUT, PROPERTY = "ingest", "examples", "new"
"""The task that looks for something new, its output, and the property of it that says 1 or 0."""

WAITS_FOR = "data-guard"
"""What tasks wait for that read nothing of this run's data."""


def condition(key: str) -> str:
    """The condition in CEL, over the task's own inputs.

    Numbers reach it as floats, whatever they were.

    Args:
        key: The input that comes from `SOURCE`.
    """
    return f"inputs.artifacts['{key}'].artifacts[0].metadata['{PROPERTY}'] == 1.0"


def only_with_news(spec: Spec) -> Spec:
    """Makes all tasks but the first depend on its finding something new.

    A task whose condition does not hold is skipped, and whatever waits for it is left out (Kubeflow asks that all
    upstream tasks succeeded); the run still succeeds. A task without inputs gets one to wait for.
    """
    spec = changed(spec)
    for name, task in tasks(spec).items():
        if name == SOURCE:
            continue
        keys = [key for key, source in producers(task).items() if source == (SOURCE, OUTPUT)]
        if keys:
            task["triggerPolicy"] = {"condition": condition(min(keys))}
        elif not upstream(task):
            task["dependentTasks"] = [WAITS_FOR]
    return spec

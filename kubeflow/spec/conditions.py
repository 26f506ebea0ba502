"""A run with nothing new ends after its first task."""

from kubeflow.spec.document import Spec, changed, producers, tasks

SOURCE, OUTPUT, PROPERTY = "ingest", "examples", "new"
"""The task that looks for something new, its output, and the property of it that says 1 or 0."""


def condition(key: str) -> str:
    """The condition in CEL, over the task's own inputs.

    Numbers reach it as floats, whatever they were.

    Args:
        key: The input that comes from `SOURCE`.
    """
    return f"inputs.artifacts['{key}'].artifacts[0].metadata['{PROPERTY}'] == 1.0"


def only_with_news(spec: Spec) -> Spec:
    """Lets those who read what the first task found run only when it found something new.

    A task whose condition does not hold is skipped, and whatever waits for it is left out (Kubeflow asks that all
    upstream tasks succeeded); the run still succeeds.
    """
    spec = changed(spec)
    for task in tasks(spec).values():
        keys = [key for key, source in producers(task).items() if source == (SOURCE, OUTPUT)]
        if keys:
            task["triggerPolicy"] = {"condition": condition(min(keys))}
    return spec

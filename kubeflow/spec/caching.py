"""Which tasks Kubeflow may answer from its cache."""

from collections.abc import Collection

from kubeflow.spec.document import Spec, changed, tasks


def without_cache(spec: Spec, names: Collection[str]) -> Spec:
    """Takes the cache from tasks that look at the world outside of their inputs.

    Kubeflow's key is made of the image, the command, the parameters and the ids of input artifacts: for a task that
    looks for new files or reads the registry it stays the same for ever.

    Args:
        spec: The pipeline.
        names: Tasks; those that are not there are passed over.
    """
    spec = changed(spec)
    for name, task in tasks(spec).items():
        if name in names:
            task.pop("cachingOptions", None)
    return spec

"""What a spec must not know: the machine that it was compiled on."""

from kubeflow.spec.document import Spec, changed, tasks

PARAMETER = "host_key"
"""Names the processor for the cache of edge checks; on a cluster they are never cached."""


def without_machine(spec: Spec) -> Spec:
    """The same spec wherever it is compiled."""
    spec = changed(spec)
    for task in tasks(spec).values():
        parameters = task.get("inputs", {}).get("parameters", {})
        if PARAMETER in parameters:
            parameters[PARAMETER]["runtimeValue"]["constant"] = ""
    return spec

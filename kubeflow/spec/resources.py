"""Processors, memory and accelerators of containers."""

from collections.abc import Mapping

from kubeflow.spec.document import Spec, changed, containers
from pipeline.config.kubeflow import StepNeeds

_FIELDS = {
    "cpu": "resourceCpuRequest",
    "memory": "resourceMemoryRequest",
    "cpu_limit": "resourceCpuLimit",
    "memory_limit": "resourceMemoryLimit",
}


def with_resources(spec: Spec, needs: Mapping[str, StepNeeds]) -> Spec:
    """Notes requests and limits; what is not asked for is left to the cluster.

    Args:
        spec: The pipeline.
        needs: What each task needs.
    """
    spec = changed(spec)
    for name, container in containers(spec):
        need = needs[name]
        found: Spec = {field: getattr(need, key) for key, field in _FIELDS.items() if getattr(need, key) is not None}
        if need.accelerator is not None:
            accelerator = need.accelerator
            found["accelerator"] = {"resourceType": accelerator.type, "resourceCount": str(accelerator.count)}
        if found:
            container["resources"] = found
    return spec

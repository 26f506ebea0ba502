"""Rules about the containers of steps."""

import json
import re

from kubeflow.package import Package
from kubeflow.spec.document import Spec, component, containers, tasks
from kubeflow.spec.environment import OURS
from kubeflow.spec.page import OUTPUTS, TASK
from kubeflow.spec.walk import all_tasks, constants

ENTRYPOINT = ("python", "-m", "kubeflow.container")
"""What every container runs, in front of the arguments that TFX writes."""

INVOCATION = "{{$}}"
"""What Kubeflow's driver replaces by all that a task is given."""

_MOUNTS = re.compile(r"minio://|/(s3|minio|gcs)/")
_TFX_IMAGE = "gcr.io/tfx-oss-public/"
_RETRY_FIELDS = {"maxRetryCount", "backoffDuration", "backoffFactor", "backoffMaxDuration"}


def typed_inputs(package: Package) -> list[str]:
    """Input artifacts arrive without their type, so each container is told the types and gives them back."""
    faults = _other_entrypoints(package, "gives inputs their types")
    for name, container in containers(package.pipeline):
        wanted = component(package.pipeline, name).get("inputDefinitions", {}).get("artifacts", {})
        told = _told(container).get("artifacts", {})
        faults += [
            f"task {name} must be told the type of its input {key}"
            for key, entry in wanted.items()
            if told.get(key, {}).get("artifactType") != entry["artifactType"]
        ]
    return faults


def _told(container: Spec) -> Spec:
    args: list[str] = container.get("args", [])
    flag = "--json_serialized_inputs_spec_args"
    told: Spec = json.loads(args[args.index(flag) + 1]) if flag in args else {}
    return told


def system_outputs(package: Package) -> list[str]:
    """The driver adds outputs of types that TFX cannot import; the entrypoint drops those that are not its own."""
    faults = _other_entrypoints(package, "drops the outputs of system types")
    for name, _ in containers(package.pipeline):
        declared = component(package.pipeline, name).get("outputDefinitions", {}).get("artifacts", {})
        for key, entry in declared.items():
            title = entry["artifactType"].get("schemaTitle", "")
            if title.startswith("system.") and (name, title) != (TASK, OUTPUTS.get(key)):
                faults.append(f"output {key} of {name} must be of a type of TFX, got {title}")
    return faults


def remote_uris(package: Package) -> list[str]:
    """The launcher copies artifacts to folders and tells their URIs; parameters are handed on as they are."""
    return _other_entrypoints(package, "maps URIs to the launcher's folders") + [
        f"{place} must name no place that the launcher alone knows, got {value}"
        for place, value in constants(package.pipeline)
        if isinstance(value, str) and _MOUNTS.match(value)
    ]


def outputs_mapped_back(package: Package) -> list[str]:
    """A folder in the output file would replace the artifact's URI, and nothing would be uploaded."""
    faults = _other_entrypoints(package, "maps folders back to URIs")
    for name, container in containers(package.pipeline):
        if container.get("args", []).count(INVOCATION) != 1:
            faults.append(f"task {name} must be told once where its output file goes")
    return faults


def no_hooks(package: Package) -> list[str]:
    """The hook in which TFX's ExampleGen looks for spans is never called: ingest looks itself."""
    return [
        f"task {name} must do its work in its container alone, got a lifecycle hook"
        for name, container in containers(package.pipeline)
        if "lifecycle" in container
    ]


def _other_entrypoints(package: Package, what: str) -> list[str]:
    return [
        f"task {name} must run {' '.join(ENTRYPOINT)}, which {what}"
        for name, container in containers(package.pipeline)
        if tuple(container.get("command", ())) != ENTRYPOINT
    ]


def caching(package: Package) -> list[str]:
    """The cache's key does not know files and registries: what reads no artifact is asked every time."""
    return [
        f"task {name} must not be cached: it reads what is in no artifact"
        for name, task, _ in all_tasks(package.pipeline)
        if task.get("cachingOptions", {}).get("enableCache") and not task.get("inputs", {}).get("artifacts")
    ]


def pods(package: Package) -> list[str]:
    """Retries, environment and settings of pods are ours to say, whole: half a retry policy retries nothing."""
    faults = []
    for name, container in containers(package.pipeline):
        given = {entry["name"]: entry.get("value") for entry in container.get("env", [])}
        faults += [f"task {name} must set {key} in its environment" for key in OURS if key not in given]
        label = component(package.pipeline, name)["executorLabel"]
        if label not in package.executor_settings:
            faults.append(f"executor {label} must have settings on Kubernetes")
    for name, task in tasks(package.pipeline).items():
        missing = sorted(_RETRY_FIELDS - set(task.get("retryPolicy", _RETRY_FIELDS)))
        if missing:
            faults.append(f"the retry policy of {name} must say {', '.join(missing)}")
    return faults


def image(package: Package) -> list[str]:
    """One image for all, fixed by tag or digest, that holds our code; nothing is installed when a pod starts."""
    found = {name: container.get("image", "") for name, container in containers(package.pipeline)}
    faults = [
        f"task {name} must run an image of ours with a tag or a digest, got {used or 'none'}"
        for name, used in found.items()
        if used.startswith(_TFX_IMAGE) or not re.search(r"(:[^/@]+|@sha256:[0-9a-f]{64})$", used)
    ]
    if len(set(found.values())) > 1:
        faults.append(f"all tasks must run one image, got {', '.join(sorted(set(found.values())))}")
    return faults + [
        f"task {name} must find everything in its image, got a command that installs"
        for name, container in containers(package.pipeline)
        if any("pip install" in word for word in (*container.get("command", ()), *container.get("args", ())))
    ]


def page(package: Package) -> list[str]:
    """Kubeflow's page shows system types alone, so the summary gives its report and its numbers as such."""
    declared = (
        component(package.pipeline, TASK).get("outputDefinitions", {}).get("artifacts", {})
        if TASK in tasks(package.pipeline)
        else {}
    )
    return [
        f"task {TASK} must have the output {key} of the type {title}"
        for key, title in OUTPUTS.items()
        if declared.get(key, {}).get("artifactType", {}).get("schemaTitle") != title
    ]

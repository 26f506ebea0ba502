"""Rules about the package as a whole."""

import re

from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from kubeflow.package import Package
from kubeflow.rules.kubernetes_fields import faults as kubernetes_faults
from kubeflow.spec.document import executors, tasks
from kubeflow.spec.walk import constants

SCHEMA_VERSION = "2.1.0"
REMOTE_ROOT = re.compile(r"(s3|minio|gs)://[^/]+")
_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_LONGEST_NAME = 120
_DRIVER = "-driver"


def schema_version(package: Package) -> list[str]:
    """The API server takes one version of the schema."""
    found = package.pipeline.get("schemaVersion", "nothing")
    return [] if found == SCHEMA_VERSION else [f"schemaVersion must be {SCHEMA_VERSION}, got {found}"]


def documents(package: Package) -> list[str]:
    """Clients take YAML documents, and no job in JSON."""
    return [] if package.form == "documents" else ["the package must be YAML documents, got a PipelineJob"]


def runnable_executors(package: Package) -> list[str]:
    """Kubeflow runs containers and importers; resolvers were never implemented."""
    return [
        f"executor {label} must be a container or an importer, got {', '.join(executor) or 'nothing'}"
        for label, executor in executors(package.pipeline).items()
        if not {"container", "importer"} & set(executor)
    ]


def names(package: Package) -> list[str]:
    """Names become names of Argo's templates as they are, and a driver's name is made of its task's."""
    faults = []
    for kind, found in (("task", tasks(package.pipeline)), ("component", package.pipeline.get("components", {}))):
        for name in found:
            if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
                must = f"lower-case letters, digits and -, at most {_LONGEST_NAME}, starting with a letter"
                faults.append(f"{kind} {name} must be called by {must}")
            if name == "root" or (name.endswith(_DRIVER) and name.removesuffix(_DRIVER) in found):
                faults.append(f"{kind} {name} must have a name that Kubeflow does not give itself")
    return faults


def pipeline_root(package: Package) -> list[str]:
    """Artifacts need an object store that the launcher knows, and code comes with the image."""
    root = package.pipeline.get("defaultPipelineRoot", "nothing")
    faults = []
    if not REMOTE_ROOT.match(root):
        faults.append(f"defaultPipelineRoot must be on s3://, minio:// or gs://, got {root}")
    faults += [
        f"{place} must name modules of the image, got the wheel {value}"
        for place, value in constants(package.pipeline)
        if isinstance(value, str) and value.endswith(".whl")
    ]
    return faults


def protobufs(package: Package) -> list[str]:
    """Every field is one that the API server's and the driver's protobufs know, with a value of its type."""
    pipeline = {**package.pipeline}
    faults = []
    for what, value, message in (
        ("the pipeline", pipeline, pipeline_spec_pb2.PipelineSpec()),
        ("deploymentSpec", pipeline.get("deploymentSpec", {}), pipeline_spec_pb2.PipelineDeploymentConfig()),
        ("the platform", package.platform, pipeline_spec_pb2.PlatformSpec()),
    ):
        try:
            json_format.ParseDict(value, message)
        except json_format.ParseError as error:
            faults.append(f"{what} must be what the protobuf says: {error}")
    known = executors(package.pipeline)
    for label, settings in package.executor_settings.items():
        if label not in known:
            faults.append(f"the platform must speak of executors that there are, got {label}")
        faults += kubernetes_faults(label, settings)
    return faults


def templates(package: Package) -> list[str]:
    """Argo fills double braces in everything that it hands on, and would find nothing to fill them with."""
    return [
        f"{place} must hold no double opening braces"
        for place, value in constants(package.pipeline)
        if isinstance(value, str) and "{{" in value
    ]

"""The driver: what a task is given, and the key of its cache (backend/src/v2/driver/*.go, cacheutils/cache.go)."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from kfp_emulator.records import Record

MOUNTS = {"gs://": "/gcs/", "minio://": "/minio/", "s3://": "/s3/"}

LOGS = "executor-logs"


def local_path(uri: str) -> PurePosixPath:
    """`LocalPathForURI` of the launcher."""
    for scheme, folder in MOUNTS.items():
        if uri.startswith(scheme):
            return PurePosixPath(folder + uri.removeprefix(scheme))
    raise ValueError(f"failed to generate local path for URI {uri}: unsupported storage scheme")


def resolve_inputs(
    task: Mapping[str, Any],
    component: Mapping[str, Any],
    done: Mapping[str, Mapping[str, Record]],
    constants: Mapping[str, str],
    parameters: Mapping[str, Any],
) -> dict[str, Any]:
    """ExecutorInput.inputs.

    Args:
        task: The task.
        component: Its component.
        done: Outputs of finished tasks.
        constants: Placeholders that the driver knows.
        parameters: Of the run.
    """
    artifacts = {}
    for key, source in task.get("inputs", {}).get("artifacts", {}).items():
        output = source["taskOutputArtifact"]
        record = done[output["producerTask"]][output["outputArtifactKey"]]
        artifacts[key] = {"artifacts": [record.described()]}
    values = {
        key: _parameter(source, constants, parameters)
        for key, source in task.get("inputs", {}).get("parameters", {}).items()
    }
    declared = component.get("inputDefinitions", {})
    needed = {key for key, value in declared.get("artifacts", {}).items() if not value.get("isOptional")}
    missing = sorted(needed - artifacts.keys())
    if missing:
        raise ValueError(f"the task gives no {', '.join(missing)}, which its component declares")
    return {"artifacts": artifacts, "parameterValues": values}


def _parameter(source: Mapping[str, Any], constants: Mapping[str, str], parameters: Mapping[str, Any]) -> Any:
    if "componentInputParameter" in source:
        return parameters[source["componentInputParameter"]]
    value = source["runtimeValue"]["constant"]
    return constants.get(value, value) if isinstance(value, str) else value


def provision_outputs(root: str, task: str, component: Mapping[str, Any]) -> dict[str, Any]:
    """ExecutorInput.outputs: `provisionOutputs`, with logs published, as the default is since 2.5."""
    declared = dict(component.get("outputDefinitions", {}).get("artifacts", {}))
    declared[LOGS] = {"artifactType": {"schemaTitle": "system.Artifact"}}
    place = f"{root}/{task}/{uuid.uuid4()}"
    artifacts = {}
    for name, spec in declared.items():
        item = {"name": name, "type": dict(spec["artifactType"]), "uri": f"{place}/{name}"}
        if spec.get("metadata"):
            item["metadata"] = dict(spec["metadata"])
        artifacts[name] = {"artifacts": [item]}
    return {"artifacts": artifacts, "outputFile": str(local_path(place) / "output_metadata.json")}


def fingerprint(
    task: Mapping[str, Any], container: Mapping[str, Any], executor_input: Mapping[str, Any], claims: list[str]
) -> str:
    """The key under which a finished task is found again; empty when the task asks for no cache."""
    options = task.get("cachingOptions", {})
    if not options.get("enableCache"):
        return ""
    if options.get("cacheKey"):
        return hashlib.sha256(f"{task['componentRef']['name']}\0{options['cacheKey']}".encode()).hexdigest()
    inputs, outputs = executor_input["inputs"], executor_input["outputs"]["artifacts"]
    key = {
        "inputArtifactNames": {k: [a["name"] for a in v["artifacts"]] for k, v in inputs["artifacts"].items()},
        "inputParameterValues": inputs["parameterValues"],
        "outputArtifactsSpec": {
            k: {part: value for part, value in v["artifacts"][0].items() if part != "uri"} for k, v in outputs.items()
        },
        "image": container["image"],
        "cmdArgs": [*container.get("command", ()), *container.get("args", ())],
        "pvcNames": sorted(set(claims)),
    }
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()

"""The launcher: downloads, runs the command, uploads and publishes (backend/src/v2/component/launcher_v2.go)."""

import copy
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kfp_emulator.driver import LOGS, local_path
from kfp_emulator.pod import Pod
from kfp_emulator.records import PublishError, Record, Records
from kfp_emulator.store import ObjectStore

Start = Callable[[list[str], Path], int]
"""Runs a command in the pod with its log in a file; returns the exit code."""


def launch(
    pod: Pod,
    container: Mapping[str, Any],
    executor_input: Mapping[str, Any],
    store: ObjectStore,
    records: Records,
    retry: int,
    start: Start,
) -> tuple[int, dict[str, Record]]:
    """One try of a task.

    Args:
        pod: A new one.
        container: Of the executor.
        executor_input: As the driver made it.
        store: Where artifacts stand.
        records: Where outputs are published.
        retry: Number of the try, from 0.
        start: Runs the command.

    Returns:
        The exit code, and the published outputs; the log alone after a failure.
    """
    given = copy.deepcopy(dict(executor_input))
    outputs = given["outputs"]["artifacts"]
    log = outputs[LOGS]["artifacts"][0]
    log["uri"] += f"-{retry}"
    for value in given["inputs"]["artifacts"].values():
        for item in value["artifacts"]:
            store.download(item["uri"], pod.path(local_path(item["uri"])))
    for value in outputs.values():
        pod.path(local_path(value["artifacts"][0]["uri"])).parent.mkdir(parents=True, exist_ok=True)
    command = _compiled([*container.get("command", ()), *container.get("args", ())], given)
    code = start(command, pod.path(local_path(log["uri"])))
    said = _said(pod.path(given["outputs"]["outputFile"])) if code == 0 else {}
    published = {}
    for name, value in outputs.items():
        if code == 0 or name == LOGS:
            published[name] = _publish(name, value["artifacts"][0], said, pod, store, records)
    return code, published


def _compiled(command: list[str], executor_input: Mapping[str, Any]) -> list[str]:
    """`compileCmdAndArgs`; a placeholder that is not emulated must not reach the command."""
    text = json.dumps(_as_protojson(executor_input))
    compiled = [part.replace("{{$}}", text) for part in command]
    left = [part for part in command if re.search(r"\{\{\$\.", part)]
    if left:
        raise ValueError(f"placeholders that are not emulated: {left}")
    return compiled


def _as_protojson(value: Any) -> Any:
    """Whole numbers are written without a point."""
    if isinstance(value, Mapping):
        return {key: _as_protojson(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_protojson(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _said(path: Path) -> Mapping[str, Any]:
    """`getExecutorOutputFile`; protojson refuses what ExecutorOutput does not have."""
    if not path.exists():
        return {}
    said = json.loads(path.read_text())
    if said.keys() - {"artifacts", "parameterValues"}:
        raise PublishError(f"failed to unmarshal ExecutorOutput: {sorted(said)}")
    return said


def _publish(
    name: str, artifact: dict[str, Any], said: Mapping[str, Any], pod: Pod, store: ObjectStore, records: Records
) -> Record:
    """`uploadOutputArtifacts` for one output: what the container said of it is merged in before the upload."""
    listed = said.get("artifacts", {}).get(name, {}).get("artifacts", [])
    if listed and name != LOGS:
        artifact["uri"] = listed[0].get("uri") or artifact["uri"]
        artifact["metadata"] = {**artifact.get("metadata", {}), **listed[0].get("metadata", {})}
    path = pod.path(local_path(artifact["uri"]))
    if path.exists():
        store.upload(path, artifact["uri"])
    return records.publish(name, artifact)

"""A cluster: runs packages as Argo runs the workflow that Kubeflow makes of them, and remembers between runs."""

import os
import re
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kfp_emulator import driver
from kfp_emulator.condition import ConditionError, holds
from kfp_emulator.launcher import launch
from kfp_emulator.pod import Image, Pod
from kfp_emulator.records import Record, Records
from kfp_emulator.store import ObjectStore


@dataclass
class TaskRun:
    """How a task ended.

    Attributes:
        state: Succeeded, Cached, Failed, Skipped (its condition did not hold) or Omitted (a task before it was not run
            or failed).
        codes: Exit codes of its tries.
        logs: What its tries wrote.
        outputs: Published artifacts by key.
        seconds: Of all tries.
        input: What the driver gave it.
    """

    state: str
    codes: list[int] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    outputs: Mapping[str, Record] = field(default_factory=dict)
    seconds: float = 0.0
    input: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Run:
    """A run of a package.

    Attributes:
        id: Its id.
        succeeded: As Kubeflow shows it; skipped and omitted tasks do not count against it.
        tasks: By name.
    """

    id: str
    succeeded: bool
    tasks: dict[str, TaskRun]

    def states(self) -> dict[str, str]:
        """State by task."""
        return {name: task.state for name, task in self.tasks.items()}


@dataclass
class Cluster:
    """Kubeflow Pipelines on one machine.

    Attributes:
        folder: For pods and logs.
        store: The object store.
        workdir: Working directory: where the packages can be imported. An image has its own.
        environment: Of pods; an image adds its own.
        secrets: Value by key, by name of the secret.
        claims: Folder by name of the volume claim.
        image: What pods run; `None`: this machine's own files.
        parallel: How many pods run at a time.
    """

    folder: Path
    store: ObjectStore
    workdir: Path
    environment: Mapping[str, str]
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    claims: Mapping[str, Path] = field(default_factory=dict)
    image: Image | None = None
    parallel: int = 2
    records: Records = field(default_factory=Records)
    _cache: dict[tuple[str, str], Mapping[str, Record]] = field(default_factory=dict)

    def run(
        self,
        package: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        preempt: Mapping[str, str] | None = None,
    ) -> Run:
        """Runs a package to its end.

        Args:
            package: Its YAML text.
            parameters: Of this run, where they are not the defaults.
            preempt: Task -> text: its first try is ended by SIGTERM, as when its node is drained, as soon as its log
                holds the text.
        """
        pipeline, platform = yaml.safe_load_all(package)
        return _Workflow(self, pipeline, platform, parameters or {}, preempt or {}).execute()


class _Workflow:
    def __init__(
        self,
        cluster: Cluster,
        pipeline: Mapping[str, Any],
        platform: Mapping[str, Any],
        parameters: Mapping[str, Any],
        preempt: Mapping[str, str],
    ) -> None:
        self._cluster, self._spec, self._preempt = cluster, pipeline, preempt
        self._settings = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        declared = pipeline["root"].get("inputDefinitions", {}).get("parameters", {})
        if parameters.keys() - declared.keys():
            raise ValueError(f"the pipeline has no parameters {sorted(parameters.keys() - declared.keys())}")
        defaults = {name: value["defaultValue"] for name, value in declared.items() if "defaultValue" in value}
        self._parameters = {**defaults, **parameters}
        self._name = pipeline["pipelineInfo"]["name"]
        self._id = str(uuid.uuid4())
        self._tasks = pipeline["root"]["dag"]["tasks"]
        self._done: dict[str, TaskRun] = {}
        self._pods = 0
        self._lock = threading.Lock()

    def execute(self) -> Run:
        """All tasks, as soon as their turn comes."""
        running: dict[Future[TaskRun], str] = {}
        with ThreadPoolExecutor(self._cluster.parallel) as pool:
            while True:
                for name in self._ready(set(running.values())):
                    running[pool.submit(self._task, name)] = name
                if not running:
                    break
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    self._done[running.pop(future)] = future.result()
        for name in self._tasks.keys() - self._done.keys():
            self._done[name] = TaskRun("Omitted")
        failed = [name for name, task in self._done.items() if task.state == "Failed"]
        return Run(self._id, not failed, {name: self._done[name] for name in self._tasks})

    def _ready(self, running: set[str]) -> Sequence[str]:
        """Tasks whose turn it is: `A.Succeeded && B.Succeeded` (backend/src/v2/compiler/argocompiler/dag.go)."""
        if any(task.state == "Failed" for task in self._done.values()):
            return []  # Argo starts nothing more (failFast)
        ready = []
        for name, task in self._tasks.items():
            before = [self._done.get(other) for other in task.get("dependentTasks", ())]
            if name in self._done or name in running or None in before:
                continue
            if all(other is not None and other.state in ("Succeeded", "Cached") for other in before):
                ready.append(name)
            else:
                self._done[name] = TaskRun("Omitted")
                return self._ready(running)
        return ready

    def _task(self, name: str) -> TaskRun:
        begin = time.monotonic()
        task = self._tasks[name]
        component = self._spec["components"][task["componentRef"]["name"]]
        inputs = driver.resolve_inputs(
            task,
            component,
            {key: value.outputs for key, value in self._done.items()},
            {"{{$.pipeline_job_uuid}}": self._id, "{{$.pipeline_job_name}}": self._name},
            self._parameters,
        )
        condition = task.get("triggerPolicy", {}).get("condition")
        try:
            if condition and not holds(condition, {"inputs": inputs}):
                return TaskRun("Skipped")
        except ConditionError as error:
            return TaskRun("Failed", logs=[str(error)])
        root = f"{self._spec['defaultPipelineRoot']}/{self._name}/{self._id}"
        given = {"inputs": inputs, "outputs": driver.provision_outputs(root, name, component)}
        label = component["executorLabel"]
        container = self._spec["deploymentSpec"]["executors"][label]["container"]
        settings = self._settings.get(label, {})
        key = driver.fingerprint(task, container, given, [mount["constant"] for mount in settings.get("pvcMount", ())])
        cached = self._cluster._cache.get((self._name, key)) if key else None
        if cached is not None:
            return TaskRun("Cached", outputs=cached, input=given)
        run = self._tries(name, task, container, settings, given)
        run.seconds = time.monotonic() - begin
        if key and run.state == "Succeeded":
            self._cluster._cache[self._name, key] = run.outputs
        return run

    def _tries(
        self,
        name: str,
        task: Mapping[str, Any],
        container: Mapping[str, Any],
        settings: Mapping[str, Any],
        given: Mapping[str, Any],
    ) -> TaskRun:
        """The first try and those that the retry policy allows, each in a new pod; the pauses are left out."""
        run = TaskRun("Failed", input=given)
        for number in range(1 + int(task.get("retryPolicy", {}).get("maxRetryCount", 0))):
            pod = Pod(self._pod_folder(name), self._volumes(settings), self._cluster.image)
            preempt = self._preempt.get(name) if number == 0 else None

            def start(command: list[str], log: Path, pod: Pod = pod, preempt: str | None = preempt) -> int:
                code = pod.run(
                    command,
                    cwd=self._cluster.image.workdir if self._cluster.image else str(self._cluster.workdir),
                    env=self._environment(container, settings),
                    log=log,
                    started=lambda process: _end_when_it_says(process, log, preempt),
                )
                run.logs.append(log.read_text(errors="replace"))
                return code

            try:
                code, run.outputs = launch(
                    pod, container, given, self._cluster.store, self._cluster.records, number, start
                )
            finally:
                pod.remove()
            run.codes.append(code)
            if code == 0:
                run.state = "Succeeded"
                break
        return run

    def _pod_folder(self, name: str) -> Path:
        with self._lock:
            self._pods += 1
            return self._cluster.folder / self._id[:8] / f"{name}-{self._pods}"

    def _volumes(self, settings: Mapping[str, Any]) -> dict[str, Path]:
        return {mount["mountPath"]: self._cluster.claims[mount["constant"]] for mount in settings.get("pvcMount", ())}

    def _environment(self, container: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, str]:
        secrets = {
            item["envVar"]: self._cluster.secrets[secret["secretName"]][item["secretKey"]]
            for secret in settings.get("secretAsEnv", ())
            for item in secret["keyToEnv"]
        }
        env = {item["name"]: item["value"] for item in container.get("env", ())}
        image = self._cluster.image.environment if self._cluster.image else {}
        return {**self._cluster.environment, **image, **env, **secrets}


def _end_when_it_says(process: subprocess.Popen[bytes], log: Path, text: str | None) -> None:
    if text is None:
        return
    while process.poll() is None:
        if re.search(text, log.read_text(errors="replace")):
            os.kill(process.pid, signal.SIGTERM)
            return
        time.sleep(0.02)

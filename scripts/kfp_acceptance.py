"""Feeds compiled pipelines to Kubeflow Pipelines' own Go code: `make test-kfp`, or `CONFIGS="a.yaml b.yaml"` beside it.

The code is that of release 2.17.0: the API server's validation of templates and compiler to Argo workflows, Argo's
validation of what comes out, the driver's evaluator of conditions, and the scheduler's parser of cron expressions. Go
builds it from tests/kfp_acceptance/go.mod. Every pipeline must be accepted; the same pipeline broken in known ways must
be refused, so that a check that checks nothing is seen.
"""

# ruff: noqa: T201 (a script talks on standard output)

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "tests" / "kfp_acceptance"
FOLDER = ROOT / ".edge" / "test-kfp"
CRONS = ROOT / "tests" / "unit" / "pipeline" / "crons.tsv"
CONFIGS = ("configs/digits_kubeflow.yaml", "tests/kfp_acceptance/every_key.yaml")

FORCED = {"force": "yes"}
"""What `submit --force` gives a run."""

Documents = list[dict[str, Any]]


def build(environment: Mapping[str, str]) -> Path:
    """Builds the Go program in a folder of its own; returns its path.

    Raises:
        SystemExit: There is no Go, or it cannot build.
    """
    go = shutil.which("go", path=environment.get("PATH"))
    wanted = re.search(r"^go (\S+)$", (SOURCE / "go.mod").read_text(), re.MULTILINE)
    assert wanted is not None
    if go is None:
        raise SystemExit(f"Go must be installed ({wanted[1]} or newer), got none: apt-get install -y golang-go")
    copied = FOLDER / "source"
    shutil.rmtree(copied, ignore_errors=True)
    shutil.copytree(SOURCE, copied)
    program = FOLDER / "kfp_acceptance"
    # Sums that go.sum lacks are fetched and checked; that changes the copy alone.
    command = [go, "build", "-mod=mod", "-o", str(program), "."]
    done = subprocess.run(command, cwd=copied, env=environment, check=False)
    if done.returncode:
        raise SystemExit(
            f"the Go code of Kubeflow Pipelines must build with Go {wanted[1]} or newer, got the errors above; "
            "docs/kubeflow-acceptance.md says what it needs"
        )
    return program


def breakages() -> dict[str, Callable[[Documents], object]]:
    """Ways to break a package, each in one thing."""

    def spec(change: Callable[[dict[str, Any]], object]) -> Callable[[Documents], object]:
        return lambda documents: change(documents[0])

    def tasks(documents: Documents) -> dict[str, Any]:
        found: dict[str, Any] = documents[0]["root"]["dag"]["tasks"]
        return found

    def rename(documents: Documents) -> None:
        found = tasks(documents)
        waited_for = {name for task in found.values() for name in task.get("dependentTasks", [])}
        leaf = next(name for name in found if name not in waited_for)
        found["not_kebab.case"] = found.pop(leaf)

    def lose(documents: Documents) -> None:
        name = next(name for name, task in tasks(documents).items() if "dependentTasks" in task)
        tasks(documents)[name]["dependentTasks"] = ["nobody"]

    def platform(documents: Documents) -> None:
        executors = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        next(iter(executors.values()))["secretAsEnv"] = "no list"

    def unknown(documents: Documents) -> None:
        executors = documents[1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        next(iter(executors.values()))["surprise"] = 1

    def always(documents: Documents) -> None:
        name = list(tasks(documents))[-1]
        tasks(documents)[name]["triggerPolicy"] = {"condition": "1 == 1"}

    return {
        "schema 2.0.0": spec(lambda pipeline: pipeline.update(schemaVersion="2.0.0")),
        "an unknown field": spec(lambda pipeline: pipeline.update(surprise=1)),
        "no root": spec(lambda pipeline: pipeline.pop("root")),
        "no parameter for --force": spec(lambda pipeline: pipeline["root"].pop("inputDefinitions")),
        "no name": spec(lambda pipeline: pipeline.update(pipelineInfo={})),
        "a name that Argo refuses": rename,
        "a dependency on nothing": lose,
        "an executor without its component": spec(lambda pipeline: pipeline["components"].popitem()),
        "a platform field of the wrong kind": platform,
        "an unknown field of an executor": unknown,
        "a condition that is always true": always,
    }


def judge(program: Path, package: Path) -> subprocess.CompletedProcess[str]:
    """What the Go code says to a package; the workflow on standard output."""
    command = [str(program), "-parameters", json.dumps(FORCED), str(package)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def faults_of(workflow: str, package: Path) -> Iterator[str]:
    """What an accepted package lost on its way into the workflow."""
    tasks = next(iter(yaml.safe_load_all(package.read_text())))["root"]["dag"]["tasks"]
    templates = yaml.safe_load(workflow)["spec"]["templates"]
    planned = {task["name"] for template in templates for task in (template.get("dag") or {}).get("tasks", [])}
    for name in tasks:
        if not {name, f"{name}-driver"} <= planned:
            yield f"{name} is no task of the workflow"


def check_package(program: Path, config: str) -> list[str]:
    """Compiles a configuration and judges the package, whole and broken; returns what went wrong."""
    package = FOLDER / f"{Path(config).stem}.yaml"
    command = [sys.executable, "-m", "kubeflow", "compile", config, "-o", str(package)]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        return [f"{config} does not compile"]
    accepted = judge(program, package)
    print(f"{config}\n{accepted.stderr}", end="")
    if accepted.returncode:
        return [f"{config}: {accepted.stderr.splitlines()[-1]}"]
    workflow = package.with_suffix(".workflow.yaml")
    workflow.write_text(accepted.stdout)
    print(f"wrote   {workflow.relative_to(ROOT)}, {len(accepted.stdout.splitlines())} lines")
    wrong = [f"{config}: {fault}" for fault in faults_of(accepted.stdout, package)]
    documents: Documents = list(yaml.safe_load_all(package.read_text()))
    for name, change in breakages().items():
        broken = copy.deepcopy(documents)
        change(broken)
        path = FOLDER / "broken.yaml"
        path.write_text(yaml.safe_dump_all(broken))
        found = judge(program, path)
        print(f"refused {name}: {found.stderr.splitlines()[-1][:150]}" if found.returncode else f"TAKEN   {name}")
        wrong += [] if found.returncode else [f"{config} with {name} was accepted"]
    return wrong


def check_crons(program: Path) -> list[str]:
    """Asks the scheduler's parser about the expressions of our tests; returns those that we take and it does not."""
    rows = [line.split("\t") for line in CRONS.read_text().splitlines()]
    asked = "".join(f"{expression}\n" for expression, _ in rows)
    done = subprocess.run([str(program), "-crons"], input=asked, capture_output=True, text=True, check=True)
    answers = [json.loads(line)["accepted"] for line in done.stdout.splitlines()]
    ours = [fault == "accepted" for _, fault in rows]
    both = list(zip(rows, ours, answers, strict=True))
    stricter = [row[0] for row, mine, theirs in both if theirs and not mine]
    print(f"cron    {sum(ours)} expressions that we take, all taken; beside them it takes: {', '.join(stricter)}")
    return [f"cron {row[0]} is refused by the scheduler" for row, mine, theirs in both if mine and not theirs]


def main() -> int:
    """Returns 1 when anything was refused that must be accepted, or the other way round."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    program = build(os.environ)
    configs = os.environ.get("CONFIGS", "").split() or CONFIGS
    wrong = [fault for config in configs for fault in check_package(program, config)] + check_crons(program)
    for fault in wrong:
        print(f"FAILED  {fault}")
    print(f"{len(configs)} pipelines, {'FAILED' if wrong else 'all as they must be'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

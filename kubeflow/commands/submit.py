"""`submit CONFIG`: one run on a cluster, and how it is doing."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import kfp_server_api as kfp
import yaml

from components.cycles.cluster import FORCED
from kubeflow.client import Client
from kubeflow.commands.server import open_client
from kubeflow.compiled import compiled
from kubeflow.connection import add_connection, seconds
from kubeflow.live import Status, Task, follow, tasks_of
from pipeline.commands.config_argument import add_config, load_config
from pipeline.config import Config
from pipeline.console import Console

HELP = "compile, send to Kubeflow Pipelines and run once"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_config(parser)
    parser.add_argument("--no-wait", action="store_true", help="end as soon as the run is there")
    parser.add_argument("--wait-at-most", type=seconds, metavar="SECONDS", help="how long to wait for its end")
    parser.add_argument("--force", action="store_true", help="run although nothing is new")
    parser.add_argument("--run-name", metavar="NAME", help="name of the run; default: the pipeline's and the time")
    add_connection(parser)


def execute(args: argparse.Namespace, console: Console) -> int:
    """Compiles, sends, and follows the run."""
    config = load_config(args)
    client = open_client(args, config, console)
    # Before compiling, which takes a while: whether the server lets us in.
    experiment = client.experiment(config.name)
    package = compiled(config)
    made = _start(client, config, experiment, package, args.run_name, forced=args.force)
    run_id = str(made.run_id)
    page = f"{client.connection.ui}/#/runs/details/{run_id}"
    console.say(f"run      {made.display_name}, {run_id}")
    console.say(f"page     {page}")
    result = {"run_id": run_id, "name": made.display_name, "page": page, "host": client.connection.host}
    if args.no_wait:
        console.result({**result, "state": str(made.state or "PENDING"), "tasks": [], "exit_code": 0})
        return 0
    return _follow(client, run_id, console, args.wait_at_most, task_names(package), result)


def _start(
    client: Client, config: Config, experiment: str, package: str, name: str | None, *, forced: bool
) -> kfp.V2beta1Run:
    section = config.kubeflow
    assert section is not None, "a configuration without the section was refused"
    return client.create_run(
        kfp.V2beta1Run(
            display_name=name or f"{config.name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
            description=f"{config.file}, by python -m kubeflow submit",
            experiment_id=experiment,
            pipeline_version_reference=kfp.V2beta1PipelineVersionReference(*client.version(config.name, package)),
            # The parameter that ingest reads when it looks for something new.
            runtime_config=kfp.V2beta1RuntimeConfig(parameters=FORCED) if forced else None,
            service_account=section.service_account,
        )
    )


def _follow(
    client: Client, run_id: str, console: Console, limit_s: float | None, order: Sequence[str], result: dict[str, Any]
) -> int:
    """Shows the run until its end; its exit code."""
    status = Status(sys.stderr, silent=console.quiet or console.json_mode, order=order)
    try:
        run = follow(client, run_id, lambda now: status.show(tasks_of(now, order, datetime.now(UTC))), limit_s)
    except KeyboardInterrupt:
        status.close()
        console.error(f"interrupted; the run goes on: {result['page']}", 130)
        return 130
    finally:
        status.close()
    tasks = tasks_of(run, order, datetime.now(UTC))
    state = str(run.state)
    code = 0 if state in ("SUCCEEDED", "SKIPPED") else 1
    rows = [{"name": task.name, "state": task.state or "NOT_RUN", "seconds": task.seconds} for task in tasks]
    console.result({**result, "state": state, "tasks": rows, "exit_code": code})
    if code:
        console.error("\n".join(_failure(run, state, tasks, result["page"])), code)
    else:
        passed_over = [task.name for task in tasks if task.state not in ("SUCCEEDED", "FAILED")]
        note = f"; not run: {', '.join(passed_over)}" if passed_over else ""
        console.say(f"run      succeeded{note}")
    return code


def _failure(run: kfp.V2beta1Run, state: str, tasks: Sequence[Task], page: str) -> list[str]:
    """Which tasks failed and why, as far as the server tells."""
    word = "was stopped" if state == "CANCELED" else "failed"
    failed = [
        f"{task.name} failed{': ' + task.error if task.error else ''}" for task in tasks if task.state == "FAILED"
    ]
    said = str(run.error.message) if run.error and run.error.message else ""
    return [f"the run {word}{': ' + said if said else ''}", *failed, f"logs     {page}"]


def task_names(package: str) -> list[str]:
    """The tasks of a package, each after those that it waits for."""
    spec = next(yaml.safe_load_all(package))
    waits = {name: list(task.get("dependentTasks") or []) for name, task in spec["root"]["dag"]["tasks"].items()}
    order: list[str] = []
    while len(order) < len(waits):
        ready = [
            name for name, others in waits.items() if name not in order and all(other in order for other in others)
        ]
        assert ready, "a compiled pipeline has no cycles"
        order += ready
    return order

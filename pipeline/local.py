"""One run on this machine, from the lock of the workspace to the summary."""

import logging
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from compression import isolation
from pipeline import engine_check, frozen_schema, report_files, run_log
from pipeline.config import Config
from pipeline.console import Console
from pipeline.durable import replace_json
from pipeline.errors import EdgeError, RunFailed
from pipeline.hooks import call_hooks
from pipeline.interruption import Interrupted, Signals, watched
from pipeline.plan import Plan, describe, make_plan, root_id
from pipeline.progress_file import ProgressFile
from pipeline.scheduler import NODE_MODULES
from pipeline.workspace import Workspace, new_run_id, now

if TYPE_CHECKING:
    from pipeline.node_loop import Nodes


class RunInterrupted(EdgeError):
    """The run was interrupted before its first node began."""


@dataclass(frozen=True)
class Request:
    """What the command line asks of a run beyond its configuration.

    Attributes:
        start: Run this node and all that depend on it anew.
        end: Run this node and what it needs, nothing else.
        no_cache: Nodes to run anew.
    """

    start: str | None = None
    end: str | None = None
    no_cache: Sequence[str] = ()


@dataclass
class Finished:
    """A run that came to its end, well or not.

    Attributes:
        summary: As in `summary_schema.json`.
        failures: One sentence per failed node; its interruption, if it was interrupted.
        summary_path: Where the summary stands.
        log: Where the log stands.
        report: Where the page of the run stands; None when it could not be written.
        refused: Whether it failed because nodes that read the data refused them, and for nothing else.
        excerpts: The lines of the log that matter, by failed node.
    """

    summary: dict[str, Any]
    failures: list[str]
    summary_path: Path
    log: Path
    report: Path | None = None
    refused: bool = False
    excerpts: dict[str, list[str]] = field(default_factory=dict)


def run(config: Config, console: Console, request: Request, run_id: str | None = None) -> Finished:
    """Runs the pipeline; its summary also stands in the workspace.

    Args:
        config: The configuration; its data and module were checked.
        console: For people, or silent.
        request: What else was asked for.
        run_id: Id of the run, by default a new one.

    Raises:
        UserError: The model module or a node's name is wrong, or the workspace cannot be written.
        WorkspaceInUse: Another run holds the workspace.
        RunInterrupted: By SIGINT or SIGTERM, before the first node.
        RunFailed: The log or the summary could not be written.
    """
    workspace, run_id = Workspace(config.workspace), run_id or new_run_id()
    with workspace.locked(run_id), watched() as signals:
        folder = workspace.run_folder(run_id)
        console.say(f"run {run_id} of {config.name}; log: {folder / 'run.log'}")
        try:
            return _Run(config, workspace, run_id, console, request, signals).execute()
        except RunFailed:
            raise
        except EdgeError:
            # Refused before the first node: there is nothing to summarize.
            shutil.rmtree(folder, ignore_errors=True)
            raise
        except OSError as error:
            raise RunFailed(f"the run must be able to read and write its files, but that gave: {error}") from error
        except Interrupted as interruption:
            signals.settle()
            shutil.rmtree(folder, ignore_errors=True)
            error = RunInterrupted(f"interrupted by {interruption} before the first node")
            error.exit_code = interruption.exit_code
            raise error from None


class _Run:
    def __init__(
        self,
        config: Config,
        workspace: Workspace,
        run_id: str,
        console: Console,
        request: Request,
        signals: Signals,
    ) -> None:
        self._config = config
        self._workspace = workspace
        self._run_id = run_id
        self._console = console
        self._request = request
        self._signals = signals
        self._plan = make_plan(config)
        self._started_at = now()
        self._data_sha256 = ""

    def execute(self) -> Finished:
        """Runs all nodes; writes the summary and the pages."""
        folder = self._workspace.run_folder(self._run_id)
        log, progress = folder / "run.log", ProgressFile(folder, self._run_id, self._config.name)
        with run_log.into(log) as terminal:
            logging.basicConfig(level=logging.INFO, stream=sys.stderr)
            nodes = self._run_nodes(terminal, progress)
            summary, details = self._conclude(nodes)
            done = list(self._tidy(nodes, summary))
        for line in done:
            self._console.say(line)
        try:
            path = self._write(summary, details)
        except OSError as error:
            said = f"the summary must be written to {folder}, but that gave: {error.strerror}"
            raise RunFailed("\n".join([*nodes.failures, said])) from error
        progress.remove()
        report = report_files.after_run(self._config, self._run_id, self._console.warn)
        return Finished(summary, nodes.failures, path, log, report, nodes.refused, nodes.excerpts)

    def _run_nodes(self, terminal: TextIO, progress: ProgressFile) -> "Nodes":
        local_run = self._prepare()
        from pipeline.display import Progress
        from pipeline.history import seconds_by_node
        from pipeline.node_loop import run_nodes
        from pipeline.run_tree import make_tree
        from pipeline.training_logs import training_logs

        order = local_run.node_ids
        notes = dict.fromkeys(order, "") | _notes(self._plan)
        history = seconds_by_node(self._workspace.runs)
        progress.plan(order, notes, history)
        tree = make_tree(self._plan, order, root_id(self._config), history)
        silent = self._console.json_mode or self._console.quiet
        shown = Progress(terminal, silent=silent, notes=notes, tree=tree)
        curves = training_logs(self._config, self._plan, self._workspace, self._run_id, self._console)
        return run_nodes(local_run, [shown, progress, *curves], self._signals)

    def _prepare(self) -> Any:  # noqa: ANN401 - a LocalRun; its module needs TFX
        """Checks the engine and the model, and compiles the graph."""
        engine_check.refuse_absent(self._config)
        if self._config.runtime.parallel_nodes > 1:
            # It imports what this process is about to import, at the same time.
            isolation.warm(*NODE_MODULES)
        from tfx.orchestration import metadata

        from pipeline import champion, graph, housekeeping, model_preflight, runner
        from pipeline.sources import ingest_spec

        housekeeping.remove_spilled(self._workspace)
        pretrained = model_preflight.check_model(self._config, self._plan)
        spec = ingest_spec(self._config)
        self._data_sha256 = frozen_schema.data_sha256(spec)
        pipeline = graph.build(
            self._config,
            spec,
            pipeline_root=str(self._workspace.artifacts),
            registry=self._config.registry,
            pretrained=pretrained,
            champion=champion.resolve(self._config.registry) if self._config.asks_champion else "",
            metadata=metadata.sqlite_metadata_connection_config(str(self._workspace.metadata)),
        )
        selection = runner.Selection(self._request.start, self._request.end, self._request.no_cache)
        return runner.LocalRun(
            pipeline,
            self._run_id,
            selection,
            never_cached=graph.NEVER_CACHED,
            tolerant=graph.TOLERANT,
            parallel=runner.Parallel(self._config.runtime.parallel_nodes, graph.measuring(self._plan)),
        )

    def _conclude(self, nodes: "Nodes") -> tuple[dict[str, Any], dict[str, Any]]:
        """The summary, and its details."""
        from pipeline import outcome

        code = nodes.interruption.exit_code if nodes.interruption else None
        summary = outcome.summarize(
            self._config, self._plan, nodes.results, run_id=self._run_id, started_at=self._started_at, interrupted=code
        )
        return summary, outcome.detail(self._config, self._plan, nodes.results)

    def _tidy(self, nodes: "Nodes", summary: dict[str, Any]) -> Iterator[str]:
        """What is seen to while the workspace is still held; yields what people may want to know."""
        from pipeline import housekeeping

        schema = nodes.ended.get("schema")
        if summary["pushed"] and schema is not None:
            yield from housekeeping.freeze_schema(self._config, schema.outputs["schema"][0].uri, self._data_sha256)
        # A run that was asked for in part is none that others would have to make room for.
        if nodes.interruption is None and self._request.end is None:
            yield from housekeeping.remove_old(self._config, self._workspace)

    def _write(self, summary: dict[str, Any], details: dict[str, Any]) -> Path:
        """Writes each so that it is there whole or not at all; where a summary stands, its details stand beside it."""
        folder = self._workspace.run_folder(self._run_id)
        replace_json(folder / "details.json", details, flushed=False)
        replace_json(folder / "summary.json", summary, flushed=False)
        return folder / "summary.json"


def tell_hooks(config: Config, console: Console, finished: Finished) -> None:
    """Calls the hooks of a run, once its workspace is free: a hook may call this program itself, and may take its time.

    Args:
        config: The configuration.
        console: Gets a warning for each hook that failed; so does the log.
        finished: The run.
    """
    for line in call_hooks(config, finished.summary, finished.summary_path):
        console.warn(line)
        with suppress(OSError), finished.log.open("a") as log:
            log.write(f"warning: {line}\n")


def resume_command(config: Config, workspace: Path | None) -> str:
    """What to type to go on after a failure: finished nodes are taken from the cache."""
    option = ["--workspace", str(workspace)] if workspace else []
    python = Path(sys.executable)
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    return shlex.join([str(python), "-m", "pipeline", "run", config.file, *option])


def _notes(plan: Plan) -> dict[str, str]:
    """A few words for the nodes whose name does not say what they do."""
    return {step.id: f"{describe(step)} for {', '.join(step.variants)}" for step in plan.steps}

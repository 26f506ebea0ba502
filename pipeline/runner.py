"""The local runner: a thin loop over TFX's compiled graph with TFX's own launcher.

What TFX's runners lack and this one has: every node's state and seconds as they come, status read from MLMD (they
return normally although a node failed to resolve its inputs), branches that go on when another one fails.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.pipeline import Pipeline
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.orchestration.portable.mlmd import execution_lib
from tfx.proto.orchestration import pipeline_pb2
from tfx.types import Artifact

from components.progress import heard_by
from compression import isolation
from pipeline.errors import UserError
from pipeline.scheduler import NODE_MODULES, Scheduler

OnEpoch = Callable[[str, int, int, Mapping[str, float]], None]
"""Gets a node's id and what it reports of an epoch; see `components.progress`."""


class State(StrEnum):
    """How a node ended; the words of `summary.json`."""

    COMPLETE = "complete"
    CACHED = "cached"
    FAILED = "failed"
    NOT_RUN = "not_run"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class NodeResult:
    """One node of one run.

    Attributes:
        id: Node id.
        state: How it ended.
        seconds: Wall time; `None` when it did not run.
        error: What it raised, when it failed.
        outputs: Its output artifacts, when it succeeded.
    """

    id: str
    state: State
    seconds: float | None = None
    error: BaseException | None = None
    outputs: Mapping[str, list[Artifact]] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        """Whether its outputs exist."""
        return self.state in (State.COMPLETE, State.CACHED)


class InputsMissing(Exception):
    """TFX could not resolve the inputs of a node; it says why in the log alone."""


@dataclass(frozen=True)
class Selection:
    """Which nodes run, and which of them must not be taken from the cache.

    Attributes:
        start: Run this node and all that depend on it anew; `None`: whatever the cache says.
        end: Run nothing but this node and what it needs; `None`: everything.
        no_cache: Further nodes to run anew.
    """

    start: str | None = None
    end: str | None = None
    no_cache: Collection[str] = ()


@dataclass(frozen=True)
class Parallel:
    """How nodes may run side by side.

    Attributes:
        nodes: How many at once. With 1 nodes run one after the other in this process, with more each in one of its own.
        alone: Ids of nodes beside which nothing else may run: they measure.
    """

    nodes: int = 1
    alone: Collection[str] = ()


class _Launcher(launcher.Launcher):
    """TFX's launcher, which writes to MLMD one at a time: SQLite takes one writer."""

    mlmd_lock = threading.RLock()

    def _prepare_execution(self) -> Any:  # noqa: ANN401 - a private type of TFX's
        with self.mlmd_lock:
            return super()._prepare_execution()

    def _publish_successful_execution(self, *args: Any, **kwargs: Any) -> None:
        with self.mlmd_lock:
            super()._publish_successful_execution(*args, **kwargs)

    def _publish_failed_execution(self, *args: Any, **kwargs: Any) -> None:
        with self.mlmd_lock:
            super()._publish_failed_execution(*args, **kwargs)


class LocalRun:
    """One run of a pipeline on this machine.

    Args:
        pipeline: The pipeline, with its metadata connection.
        run_id: Id of the run; must be new.
        selection: Which nodes to run.
        never_cached: Ids of nodes that are never taken from the cache.
        tolerant: Ids of nodes that run although some of those before them failed; their inputs are optional.
        parallel: Which of them may run side by side.

    Raises:
        UserError: `selection` names a node that does not exist.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        run_id: str,
        selection: Selection,
        *,
        never_cached: Collection[str],
        tolerant: Collection[str],
        parallel: Parallel | None = None,
    ) -> None:
        self._tolerant = tolerant
        self._parallel = parallel or Parallel()
        self._ir = compiler.Compiler().compile(pipeline)
        runtime_parameter_utils.substitute_runtime_parameter(
            self._ir, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: run_id}
        )
        self._deployment = runner_utils.extract_local_deployment_config(self._ir)
        connection = self._deployment.metadata_connection_config
        self._connection = getattr(connection, connection.WhichOneof("connection_config"))
        self._nodes = {node.pipeline_node.node_info.id: node.pipeline_node for node in self._ir.nodes}
        self._select(selection, never_cached)

    @property
    def node_ids(self) -> list[str]:
        """Ids of the nodes that will run, each after all that it needs."""
        return list(self._nodes)

    def execute(self, on_start: Callable[[str], None], on_end: Callable[[NodeResult], None], on_epoch: OnEpoch) -> None:
        """Runs all nodes; `on_end` learns how each ended.

        In this process they run one after the other: seeds, op determinism and the TFLite converter are process-wide.

        Args:
            on_start: Called before a node begins.
            on_end: Called when a node ended or was passed over.
            on_epoch: Called when a node reports an epoch; from another thread where nodes run side by side.
        """
        if self._parallel.nodes > 1:
            self._execute_side_by_side(on_start, on_end, on_epoch)
            return
        done: dict[str, NodeResult] = {}
        for node_id in self._nodes:
            if self._may_run(node_id, done):
                on_start(node_id)
                with heard_by(partial(on_epoch, node_id)):
                    done[node_id] = self._launch(node_id)
                self._foresee(done[node_id])
            else:
                done[node_id] = NodeResult(node_id, State.NOT_RUN)
            on_end(done[node_id])

    def _foresee(self, result: NodeResult) -> None:
        """Once a node had to work, conversions are likely to follow: their server imports TensorFlow meanwhile."""
        if result.state is State.COMPLETE and any(node.startswith("quantize-") for node in self._nodes):
            isolation.warm()

    def _execute_side_by_side(
        self, on_start: Callable[[str], None], on_end: Callable[[NodeResult], None], on_epoch: OnEpoch
    ) -> None:
        # For those who ask alone: it imports all that nodes run.
        from pipeline import node_child

        isolation.warm(*NODE_MODULES)
        done: dict[str, NodeResult] = {}
        cancelled = threading.Event()

        def begin(node_id: str) -> bool:
            if self._may_run(node_id, done):
                on_start(node_id)
                return True
            end(NodeResult(node_id, State.NOT_RUN))
            return False

        def launch(node_id: str) -> NodeResult:
            heard = partial(on_epoch, node_id)
            return self._launch(node_id, node_child.operators(f"the node {node_id}", heard, cancelled))

        def end(result: NodeResult) -> None:
            done[result.id] = result
            on_end(result)

        upstream = {node_id: node.upstream_nodes for node_id, node in self._nodes.items()}
        scheduler = Scheduler(upstream, at_once=self._parallel.nodes, alone=self._parallel.alone)
        scheduler.run(launch, begin=begin, end=end, cancel=cancelled.set)

    def _select(self, selection: Selection, never_cached: Collection[str]) -> None:
        for node_id in (selection.start, selection.end, *selection.no_cache):
            if node_id is not None and node_id not in self._nodes:
                raise UserError(f"a node must be one of {', '.join(self._nodes)}; got {node_id!r}")
        anew = {*never_cached, *selection.no_cache}
        if selection.start is not None:
            anew |= {selection.start, *self._reach(selection.start, lambda node: node.downstream_nodes)}
        for node_id in anew & self._nodes.keys():
            self._nodes[node_id].execution_options.caching_options.enable_cache = False
        if selection.end is not None:
            wanted = {selection.end, *self._reach(selection.end, lambda node: node.upstream_nodes)}
            self._nodes = {node_id: node for node_id, node in self._nodes.items() if node_id in wanted}

    def _reach(self, node_id: str, neighbours: Callable[[pipeline_pb2.PipelineNode], Collection[str]]) -> set[str]:
        reached: set[str] = set()
        waiting = [node_id]
        while waiting:
            new = set(neighbours(self._nodes[waiting.pop()])) - reached
            reached |= new
            waiting += new
        return reached

    def _may_run(self, node_id: str, done: dict[str, NodeResult]) -> bool:
        """A node needs all that stands before it; a tolerant one needs something of it."""
        before = [done[upstream].succeeded for upstream in self._nodes[node_id].upstream_nodes]
        return any(before) if node_id in self._tolerant else all(before)

    def _launch(self, node_id: str, operators: Mapping[Any, Any] | None = None) -> NodeResult:
        begin = time.monotonic()
        try:
            info = _Launcher(
                pipeline_node=self._nodes[node_id],
                mlmd_connection=metadata.Metadata(self._connection),
                pipeline_info=self._ir.pipeline_info,
                pipeline_runtime_spec=self._ir.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(self._deployment, node_id),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(self._deployment, node_id),
                custom_executor_operators=operators,
            ).launch()
        except Exception as error:  # whatever a component raises ends this node alone
            return NodeResult(node_id, State.FAILED, time.monotonic() - begin, error)
        state = self._state(info.execution_id)
        error = InputsMissing(f"the inputs of {node_id} could not be resolved") if state is State.FAILED else None
        outputs = {} if state is State.FAILED else self._outputs(info.execution_id)
        return NodeResult(node_id, state, time.monotonic() - begin, error, outputs)

    def _outputs(self, execution_id: int) -> Mapping[str, list[Artifact]]:
        """As MLMD has them: the launcher names places that a cached node would have written to, and no properties."""
        with _Launcher.mlmd_lock, metadata.Metadata(self._connection) as handle:
            return execution_lib.get_output_artifacts(handle, execution_id)

    def _state(self, execution_id: int) -> State:
        with _Launcher.mlmd_lock, metadata.Metadata(self._connection) as handle:
            (execution,) = handle.store.get_executions_by_id([execution_id])
        states = {
            metadata_store_pb2.Execution.COMPLETE: State.COMPLETE,
            metadata_store_pb2.Execution.CACHED: State.CACHED,
        }
        return states.get(execution.last_known_state, State.FAILED)

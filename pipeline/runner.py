"""The local runner: a thin loop over TFX's compiled graph with TFX's own launcher.

What TFX's runners lack and this one has: every node's state and seconds as they come, status read from MLMD (they
return normally although a node failed to resolve its inputs), branches that go on when another one fails.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler, constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.pipeline import Pipeline
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.orchestration.portable.mlmd import execution_lib
from tfx.proto.orchestration import pipeline_pb2
from tfx.types import Artifact

from pipeline.errors import UserError


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


class LocalRun:
    """One run of a pipeline in this process.

    Args:
        pipeline: The pipeline, with its metadata connection.
        run_id: Id of the run; must be new.
        selection: Which nodes to run.
        never_cached: Ids of nodes that are never taken from the cache.
        tolerant: Ids of nodes that run although some of those before them failed; their inputs are optional.

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
    ) -> None:
        self._tolerant = tolerant
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

    def execute(self, on_start: Callable[[str], None], on_end: Callable[[NodeResult], None]) -> None:
        """Runs node after node; `on_end` learns how each ended.

        Nodes run one after the other: seeds, op determinism and the TFLite converter are process-wide.
        """
        done: dict[str, NodeResult] = {}
        for node_id, node in self._nodes.items():
            if self._may_run(node_id, done):
                on_start(node_id)
                done[node_id] = self._launch(node_id, node)
            else:
                done[node_id] = NodeResult(node_id, State.NOT_RUN)
            on_end(done[node_id])

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

    def _launch(self, node_id: str, node: pipeline_pb2.PipelineNode) -> NodeResult:
        begin = time.monotonic()
        try:
            info = launcher.Launcher(
                pipeline_node=node,
                mlmd_connection=metadata.Metadata(self._connection),
                pipeline_info=self._ir.pipeline_info,
                pipeline_runtime_spec=self._ir.runtime_spec,
                executor_spec=runner_utils.extract_executor_spec(self._deployment, node_id),
                custom_driver_spec=runner_utils.extract_custom_driver_spec(self._deployment, node_id),
            ).launch()
        except Exception as error:  # whatever a component raises ends this node alone
            return NodeResult(node_id, State.FAILED, time.monotonic() - begin, error)
        state = self._state(info.execution_id)
        error = InputsMissing(f"the inputs of {node_id} could not be resolved") if state is State.FAILED else None
        outputs = {} if state is State.FAILED else self._outputs(info.execution_id)
        return NodeResult(node_id, state, time.monotonic() - begin, error, outputs)

    def _outputs(self, execution_id: int) -> Mapping[str, list[Artifact]]:
        """As MLMD has them: the launcher names places that a cached node would have written to, and no properties."""
        with metadata.Metadata(self._connection) as handle:
            return execution_lib.get_output_artifacts(handle, execution_id)

    def _state(self, execution_id: int) -> State:
        with metadata.Metadata(self._connection) as handle:
            (execution,) = handle.store.get_executions_by_id([execution_id])
        states = {
            metadata_store_pb2.Execution.COMPLETE: State.COMPLETE,
            metadata_store_pb2.Execution.CACHED: State.CACHED,
        }
        return states.get(execution.last_known_state, State.FAILED)

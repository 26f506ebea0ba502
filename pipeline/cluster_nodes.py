"""What differs on a cluster: the state of cycles lives in the registry, and nodes read it when they run.

Every node but ingest depends on it, so that with nothing new none of them runs.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tfx.components.schema_gen.component import SchemaGen
from tfx.dsl.components.base.base_node import BaseNode
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import BaseChannel

from components.cycle_record import CycleRecord
from components.cycles.cluster import Order
from components.import_schema import ImportSchema
from components.registry_schema import RegistrySchema
from pipeline.code_hash import code_sha256
from pipeline.config import Config, Fault
from pipeline.cycles.fingerprint import without_data
from pipeline.frozen_schema import freezes

NEVER_CACHED = ("ingest", "schema", "data-guard", "champion", "edge-pusher", "summary", "cycle-record")
"""Nodes of the cluster's graph that look at the world outside of their inputs: data, registry, or the run itself."""

HOST_KEY = "cluster"
"""Pods run on whatever machine is free, which is unknown when the pipeline is compiled."""


@dataclass(frozen=True)
class Cluster:
    """The graph's side of a cycle on a cluster.

    Attributes:
        config: The configuration.
        registry: The registry.

    Raises:
        UserError: The configuration asks for what a cluster cannot do.
    """

    config: Config
    registry: str

    def __post_init__(self) -> None:
        if self.config.cycle.trigger == "drift":
            must = "must be spans on a cluster, where a run that new data began is not stopped for want of drift"
            advice = "leave it out; data.guard.drift.stop still stops a run"
            raise self.config.refuse([Fault(("cycle", "trigger"), must, "drift", advice)])

    @cached_property
    def ingest(self) -> dict[str, Any]:
        """What ingest is told of cycles; `force` is a parameter that a run may be given."""
        order = Order(self.registry, without_data(self.config))
        return {"cycle": order.to_json(), "force": RuntimeParameter(name="force", ptype=str, default="no")}

    @property
    def schema_source(self) -> str:
        """What the summary says of the schema, unless the node does; the workspace of whoever compiles says nothing."""
        return "inferred" if self.config.data.schema_path is None else "given"

    def schema_node(self, counted: BaseNode) -> BaseNode:
        """What data must look like: given, frozen with the version that is in the field, or inferred.

        Args:
            counted: The node that made the statistics.
        """
        path, statistics = self.config.data.schema_path, counted.outputs["statistics"]
        if path is not None:
            given = ImportSchema(text=Path(path).read_text())
            given.add_upstream_node(counted)
            return given
        if freezes(self.config):
            return RegistrySchema(
                statistics=statistics, registry=self.registry, code_sha256=code_sha256("components.registry_schema")
            )
        return SchemaGen(statistics=statistics, exclude_splits=["validation", "eval"])

    def record_node(self, examples: BaseChannel, summary: BaseChannel) -> BaseNode:
        """The last node: writes down what became of the cycle."""
        return CycleRecord(examples=examples, summary=summary, code_sha256=code_sha256("components.cycle_record"))

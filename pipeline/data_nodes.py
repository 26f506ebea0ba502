"""The nodes between raw data and training: read, count, check, stop, transform. `pipeline.graph` adds them in order."""

from collections.abc import Callable
from dataclasses import dataclass

# `tfx` repairs names of TFDV's package, so it is imported before anything that imports it.
import tfx  # noqa: F401
from tfx.components.example_validator.component import ExampleValidator
from tfx.components.statistics_gen.component import StatisticsGen
from tfx.dsl.components.base.base_node import BaseNode
from tfx.types import BaseChannel

from components.data_guard import DataGuard
from components.ingest import Ingest
from components.ingest_spec import IngestSpec
from components.pretrained_spec import PretrainedSpec
from pipeline.cluster_nodes import Cluster
from pipeline.code_hash import code_sha256
from pipeline.config import Config
from pipeline.raw_nodes import raw_transform
from pipeline.start_nodes import dividing, drift_node, schema_node, transform

Add = Callable[[BaseNode, str], BaseNode]
"""Gives a node its id and its place in the pipeline."""


@dataclass(frozen=True)
class DataNodes:
    """What later nodes read.

    Attributes:
        examples: Raw examples.
        schema: What data must look like.
        guard: What stops a run whose data do not fit.
        transform: The transform.
        front: The transform as a TFLite file would hold it; `None` unless what ships reads raw inputs.
    """

    examples: BaseChannel
    schema: BaseChannel
    guard: BaseNode
    transform: BaseNode
    front: BaseNode | None = None


def make(
    config: Config, spec: IngestSpec, pretrained: PretrainedSpec | None, cluster: Cluster | None, add: Add
) -> DataNodes:
    """Wires them.

    Args:
        config: The configuration.
        spec: What is read.
        pretrained: The model that was trained elsewhere.
        cluster: What differs on a cluster; `None` on this machine.
        add: Takes each node.
    """
    cycle = cluster.ingest if cluster else {}
    ingest = add(Ingest(spec=spec.to_json(), code_sha256=code_sha256("components.ingest"), **cycle), "ingest")
    examples = ingest.outputs["examples"]
    counted = add(StatisticsGen(examples=examples), "statistics")
    statistics = counted.outputs["statistics"]
    made = cluster.schema_node(counted) if cluster else schema_node(config, spec, statistics)
    schema = add(made, "schema").outputs["schema"]
    anomalies = add(ExampleValidator(statistics=statistics, schema=schema), "validator").outputs["anomalies"]
    measured: dict[str, BaseChannel] = {}
    if config.data.guard is not None:
        measured = {"drift": add(drift_node(config, examples, schema), "drift").outputs["drift"]}
    told = {"examples": examples} if cluster else {}
    guard = DataGuard(
        anomalies=anomalies, code_sha256=code_sha256("components.data_guard"), **measured, **told, **dividing(spec)
    )
    add(guard, "data-guard")
    transformed = add(transform(config, examples, schema, list(spec.splits), pretrained), "transform")
    transformed.add_upstream_node(guard)
    front: BaseNode | None = None
    if config.export.inputs == "raw":
        graph = transformed.outputs["transform_graph"]
        front = add(raw_transform(config, examples, graph, pretrained), "raw-transform")
    return DataNodes(examples, schema, guard, transformed, front)

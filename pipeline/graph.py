"""From a plan to a TFX pipeline: the only place where nodes are wired."""

import importlib
import json

# `tfx` repairs names of TFMA's and TFDV's packages, so it is imported before anything that imports them.
import tfx  # noqa: F401
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.base.base_node import BaseNode
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.orchestration.pipeline import Pipeline
from tfx.types import BaseChannel

from components.edge_check import EdgeCheck
from components.edge_pusher import EdgePusher
from components.evaluate.answers import BaselineAnswers
from components.evaluate.gate import Gate
from components.ingest_spec import IngestSpec
from components.pretrained_spec import PretrainedSpec
from components.selector import Selector
from components.summary import Summary
from components.targets import to_text
from compression.edge.host import host_key
from compression.edge.profile import load_profile
from compression.settings import QuantizeSettings
from compression.settings.edge import EdgeSettings
from pipeline import champion_nodes, data_nodes
from pipeline.beam_flags import node_flags, shared_flags
from pipeline.cluster_nodes import HOST_KEY, Cluster
from pipeline.code_hash import code_sha256
from pipeline.config import Config
from pipeline.facts import gate_spec, push_facts, summary_facts
from pipeline.plan import Plan, VariantPlan, make_plan, root_id
from pipeline.raw_nodes import export_raw
from pipeline.search import make_search, reading
from pipeline.start_nodes import pretrained_model, trainer
from pipeline.steps import STEPS
from pipeline.summary_inputs import run_sources, variant_sources

NEVER_CACHED = ("edge-pusher", "summary")
"""Nodes that must look at the world outside of their inputs: the registry may have changed, a run has its own id."""

TOLERANT = ("selector", "summary")
"""Nodes that go on without the artifacts of a variant that failed."""


def measuring(plan: Plan) -> tuple[str, ...]:
    """Nodes that measure how fast a file is: nothing may run beside them."""
    return ("edge-baseline", *(variant.edge_id for variant in plan.variants))


def build(
    config: Config,
    spec: IngestSpec,
    *,
    pipeline_root: str,
    registry: str,
    pretrained: PretrainedSpec | None = None,
    champion: str = "",
    metadata: metadata_store_pb2.ConnectionConfig | None = None,
    cluster: bool = False,
) -> Pipeline:
    """The TFX pipeline of a configuration.

    Args:
        config: The configuration.
        spec: The input files, already resolved; on a cluster not, as ingest looks for them when it runs.
        pipeline_root: Folder or URI of all artifacts.
        registry: Folder or URI of pushed models.
        pretrained: The model that was trained elsewhere, already looked at; needed exactly with `model.pretrained`.
        champion: What `pipeline.champion.resolve` found; empty: the node looks itself.
        metadata: Where MLMD lives; `None` on Kubeflow, which brings its own.
        cluster: Whether every run decides by itself whether there is anything new, and keeps its records in the
            registry (docs/kubeflow-cycles.md).
    """
    beam = config.kubeflow.beam if cluster and config.kubeflow else config.runtime.beam
    pipeline = Pipeline(
        pipeline_name=config.name,
        pipeline_root=pipeline_root,
        metadata_connection_config=metadata,
        enable_cache=True,
        components=_Graph(
            config,
            spec,
            pretrained,
            registry,
            champion=champion,
            trials_uri=f"{pipeline_root}/search/trials",
            cluster=Cluster(config, registry) if cluster else None,
        ).nodes,
        beam_pipeline_args=shared_flags(beam),
    )
    for node in pipeline.components:
        if isinstance(node.executor_spec, BeamExecutorSpec):
            # Set, not added: TFX would put those of all before them, and lists of flags would add up.
            node.executor_spec.beam_pipeline_args = node_flags(beam, config.name, node.id)
    return pipeline


class _Graph:
    """Wires the nodes; every method adds some and returns what later ones read."""

    def __init__(
        self,
        config: Config,
        spec: IngestSpec,
        pretrained: PretrainedSpec | None,
        registry: str,
        *,
        champion: str,
        trials_uri: str,
        cluster: Cluster | None,
    ) -> None:
        self.nodes: list[BaseNode] = []
        self._config = config
        self._pretrained = pretrained
        plan = make_plan(config)
        self._cluster = cluster
        data = data_nodes.make(config, spec, pretrained, cluster, self._add)
        self._examples, self._front = data.examples, data.front
        self._transform = data.transform
        # Kept with each version on a cluster; on this machine the workspace keeps it.
        self._schema = {"schema": data.schema} if cluster else {}
        self._champion = champion_nodes.make(config, registry, champion, self._examples, self._transform)
        for node_id, node in self._champion.items():
            self._add(node, node_id)
        if cluster and self._champion:
            self._champion["champion"].add_upstream_node(data.guard)
        self._search = make_search(config, self._transformed, trials_uri)
        if self._search:
            self._add(self._search, "search")
            if self._front is not None:
                # A transform that no TFLite file can hold must cost neither a search nor a training.
                self._search.add_upstream_node(self._front)
        self._float_model()
        self._baseline_parts()
        self._variants = self._compress(plan)
        self._push(plan, registry)

    def _add(self, node: BaseNode, node_id: str) -> BaseNode:
        self.nodes.append(node.with_id(node_id))
        return node

    def _float_model(self) -> None:
        """Where every variant begins: what the Trainer makes, or what was trained elsewhere."""
        if self._pretrained is not None:
            graph = self._transform.outputs["transform_graph"]
            self._root = pretrained_model(self._config, self._pretrained, graph)
        else:
            found = self._search.outputs["best_hyperparameters"] if self._search else None
            warm = self._config.train.warm_start == "champion"
            parent = self._champion["champion"].outputs["float_model"] if warm else None
            self._root = trainer(self._config, self._transformed, found, parent)
        self._add(self._root, root_id(self._config))
        if self._front is not None:
            self._root.add_upstream_node(self._front)

    def _compress(self, plan: Plan) -> dict[str, dict[str, BaseChannel]]:
        made: dict[str | None, BaseNode] = {None: self._root}
        for step in plan.steps:
            parent = made[step.parent]
            more = {"teacher": self._root.outputs["model"]} | self._reading() | self._student(step.kind)
            made[step.id] = self._step(step.id, step.kind, step.settings.model_dump_json(), parent, **more)
        return {variant.name: self._variant(variant, made[variant.parent]) for variant in plan.variants}

    def _student(self, kind: str) -> dict[str, str | BaseChannel]:
        """What a step that builds a network of the user's own needs."""
        if kind != "distill":
            return {}
        found = {"found": self._search.outputs["best_hyperparameters"]} if self._search else {}
        return {"hparams": json.dumps(self._config.model.hparams), **found}

    def _reading(self) -> dict[str, str | BaseChannel]:
        """How a step's examples reach it: as they reached the float model, changed by the user's own function."""
        return {"module": self._config.model.module or "", "reading": reading(self._config).model_dump_json()}

    def _variant(self, variant: VariantPlan, parent: BaseNode) -> dict[str, BaseChannel]:
        model = self._quantize(variant.quantize_id, variant.quantize, parent, variant=variant.name)
        gate = Gate(
            **self._transformed,
            model=model,
            baseline=self._answers,
            spec=gate_spec(self._config).model_dump_json(),
            code_sha256=code_sha256("components.evaluate.gate"),
            **champion_nodes.contest(self._champion, self._examples),
        )
        self._add(gate, variant.gate_id)
        shipped = self._export(variant.raw_id, model)
        self._edge_check(variant.edge_id, shipped, self._config.edge)
        return {kind: self._output(*source) for kind, source in variant_sources(variant).items()}

    def _export(self, node_id: str | None, model: BaseChannel) -> BaseChannel:
        """The file that ships: the model itself, or the model behind its transform."""
        if self._front is None:
            return model
        node = export_raw(model, self._front, self._examples, self._transform.outputs["transform_graph"])
        return self._add(node, node_id).outputs["exported"]

    def _baseline_parts(self) -> None:
        """The float model as TFLite, its answers to the eval split for all gates, and how fast it is."""
        model = self._quantize("baseline", QuantizeSettings(mode="float32"), self._root, variant="")
        # With its transform too, so that sizes and latencies compare like with like.
        shipped = self._export("raw-baseline", model)
        # The Keras model is the truth: its TFLite form is only compared in size and speed.
        answers = BaselineAnswers(
            **self._transformed,
            model=self._root.outputs["model"],
            split="eval",
            code_sha256=code_sha256("components.evaluate.answers"),
        )
        self._answers = self._add(answers, "baseline-answers").outputs["answers"]
        # Budgets are for what is pushed.
        settings = EdgeSettings(profile=self._config.edge.profile, threads=self._config.edge.threads)
        self._edge_check("edge-baseline", shipped, settings)

    def _edge_check(self, node_id: str, model: BaseChannel, settings: EdgeSettings) -> None:
        check = EdgeCheck(
            **self._transformed | ({} if self._front is None else {"examples": self._examples, "inputs": "raw"}),
            model=model,
            settings=settings.model_dump_json(),
            profile=load_profile(settings.profile).model_dump_json(),
            host_key=HOST_KEY if self._cluster else host_key(settings.threads),
            code_sha256=code_sha256("components.edge_check"),
        )
        self._add(check, node_id)

    @property
    def _transformed(self) -> dict[str, BaseChannel]:
        outputs = self._transform.outputs
        return {"examples": outputs["transformed_examples"], "transform_graph": outputs["transform_graph"]}

    def _quantize(self, node_id: str, settings: QuantizeSettings, parent: BaseNode, *, variant: str) -> BaseChannel:
        more = {"variant": variant, "metric": self._config.gate.metric}
        return self._step(node_id, "quantize", settings.model_dump_json(), parent, **more).outputs["compressed"]

    def _step(self, node_id: str, kind: str, settings: str, parent: BaseNode, **more: str | BaseChannel) -> BaseNode:
        module, _, name = STEPS[kind].component.rpartition(".")
        component = getattr(importlib.import_module(module), name)
        model = parent.outputs["model" if parent is self._root else "compressed"]
        node = component(
            model=model,
            **self._transformed,
            settings=settings,
            label=to_text(self._config.data.labels),
            task=to_text(self._config.tasks),
            seed=self._config.seed,
            code_sha256=code_sha256(module, *(more[key] for key in ("module",) if more.get(key))),
            **more,
        )
        return self._add(node, node_id)

    def _push(self, plan: Plan, registry: str) -> None:
        config = self._config
        facts = summary_facts(config, plan)
        if self._cluster:
            facts["schema"] = self._cluster.schema_source
        selector = Selector(
            self._variants,
            metric=config.gate.metric,
            select=config.select,
            code_sha256=code_sha256("components.selector"),
        )
        selected = self._add(selector, "selector").outputs["selected"]
        graph = self._transform.outputs["transform_graph"]
        pusher = EdgePusher(
            selected,
            {
                "float_model": self._root.outputs["model"],
                "transform_graph": graph,
                "examples": self._examples,
                **self._schema,
            },
            registry=registry,
            keep=config.push.keep,
            sign_key_env=config.push.sign_key_env,
            facts=push_facts(config, plan),
            code_sha256=code_sha256("components.edge_pusher"),
        )
        self._add(pusher, "edge-pusher")
        inputs = {key: self._output(*source) for key, source in run_sources(config, plan).items()}
        code = code_sha256("components.summary")
        summary = self._add(
            Summary(self._variants, {**inputs, **self._schema}, facts=facts, code_sha256=code), "summary"
        )
        if self._cluster:
            self._add(self._cluster.record_node(self._examples, summary.outputs["summary"]), "cycle-record")

    def _output(self, node_id: str, key: str) -> BaseChannel:
        """An output of a node that was added before."""
        return next(node for node in self.nodes if node.id == node_id).outputs[key]

"""The tree of variants: which nodes there are and which variants share them. Pure; knows no TFX."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from compression.settings import ClusterSettings, PruneChannelsSettings, PruneSettings, QuantizeSettings, Settings
from pipeline.config import Config, Step


@dataclass(frozen=True)
class StepNode:
    """A step between the Trainer and the conversions, shared by all variants that begin alike.

    Attributes:
        id: Depends on the steps from the Trainer to here alone, not on which variants use it.
        kind: A key of `pipeline.steps.STEPS`.
        settings: Settings of the step.
        parent: Id of the node before it; None: the Trainer.
        history: Kinds of the steps before it, from the Trainer on.
        variants: Names of the variants that use it, in the order of the configuration.
    """

    id: str
    kind: str
    settings: Settings
    parent: str | None
    history: tuple[str, ...]
    variants: tuple[str, ...]


@dataclass(frozen=True)
class VariantPlan:
    """A variant's way through the tree.

    Attributes:
        name: Its name in the configuration.
        steps: All steps, `quantize` included.
        interior: Ids of the step nodes before `quantize`, from the Trainer on.
        quantize_id: Id of its conversion node.
        raw_id: Id of the node that puts the transform in front of the finished model; None: inputs are transformed.
        gate_id: Id of its gate node.
        edge_id: Id of its edge check.
        quantize: Settings of its conversion.
        parent: Id of the node that its conversion reads; None: the Trainer.
    """

    name: str
    steps: tuple[Step, ...]
    interior: tuple[str, ...]
    quantize_id: str
    raw_id: str | None
    gate_id: str
    edge_id: str
    quantize: QuantizeSettings
    parent: str | None

    @property
    def finishing(self) -> tuple[str, ...]:
        """Ids of the nodes that are its own whatever it shares with others, the gate and the edge check last."""
        raw = () if self.raw_id is None else (self.raw_id,)
        return (self.quantize_id, *raw, self.gate_id, self.edge_id)


@dataclass(frozen=True)
class Plan:
    """Step nodes, parents first, and the variants in the order of the configuration."""

    steps: tuple[StepNode, ...]
    variants: tuple[VariantPlan, ...]


def root_id(config: Config) -> str:
    """Id of the node whose float model all variants start from."""
    return "trainer" if config.model.pretrained is None else "pretrained"


def make_plan(config: Config) -> Plan:
    """Merges the variants' common beginnings into a tree.

    Raises:
        ValueError: Two different chains of steps got the same id (one chance in four billion).
    """
    users: dict[str, list[str]] = {}
    chains: dict[str, tuple[Step, ...]] = {}
    variants = []
    for name, steps in config.variants.items():
        interior = []
        for length in range(1, len(steps)):
            chain = steps[:length]
            node_id = _node_id(chain)
            if chains.setdefault(node_id, chain) != chain:
                raise ValueError(f"node ids must be unique, got {node_id} twice; change a setting of {name} a little")
            users.setdefault(node_id, []).append(name)
            interior.append(node_id)
        variants.append(_variant(name, steps, tuple(interior), raw=config.export.inputs == "raw"))
    nodes = (
        StepNode(
            id=node_id,
            kind=chain[-1].kind,
            settings=chain[-1].settings,
            parent=_node_id(chain[:-1]) if len(chain) > 1 else None,
            history=tuple(step.kind for step in chain[:-1]),
            variants=tuple(users[node_id]),
        )
        for node_id, chain in chains.items()
    )
    return Plan(tuple(nodes), tuple(variants))


def _variant(name: str, steps: tuple[Step, ...], interior: tuple[str, ...], *, raw: bool) -> VariantPlan:
    quantize = steps[-1].settings
    assert isinstance(quantize, QuantizeSettings)
    # Argo refuses underscores in node names.
    kebab = name.replace("_", "-")
    parent = interior[-1] if interior else None
    ids = (f"quantize-{kebab}", f"raw-{kebab}" if raw else None, f"gate-{kebab}", f"edge-{kebab}")
    return VariantPlan(name, steps, interior, *ids, quantize, parent)


def _node_id(chain: Sequence[Step]) -> str:
    text = json.dumps([step.identity() for step in chain], sort_keys=True, separators=(",", ":"))
    return f"{chain[-1].kind.replace('_', '-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def describe(step: Step | StepNode) -> str:
    """A step in a few words, such as `prune 80%`, `qat` or `quantize int8`."""
    if isinstance(step.settings, PruneSettings):
        pattern = step.settings.m_by_n
        return f"{step.kind} {pattern[0]}:{pattern[1]}" if pattern else f"{step.kind} {step.settings.target * 100:g}%"
    if isinstance(step.settings, PruneChannelsSettings):
        return f"{step.kind} {step.settings.ratio * 100:g}%"
    if isinstance(step.settings, ClusterSettings):
        return f"{step.kind} {step.settings.clusters}"
    if isinstance(step.settings, QuantizeSettings):
        budget = step.settings.max_validation_drop
        mixed = " mixed" if step.settings.layers else ""
        return f"{step.kind} {step.settings.mode}{mixed}{'' if budget is None else f', drop at most {budget:g}'}"
    return step.kind

"""What nodes are told of a configuration: the gate's rules, and what the summary and the manifest say."""

from typing import Any

from components.evaluate.spec import GateSpec, Rule, SliceRule
from pipeline.config import Config
from pipeline.config.gate import Thresholds
from pipeline.plan import Plan, describe


def gate_spec(config: Config) -> GateSpec:
    """What every gate of a configuration is told."""

    def rules(thresholds: Thresholds) -> tuple[Rule, ...]:
        given = thresholds.given()
        return (Rule(metric=config.gate.metric, **given),) if given else ()

    return GateSpec(
        task=config.model.task,
        label=config.data.label,
        rules=rules(config.gate),
        slices=tuple(
            SliceRule(features=part.by, values=part.where, rules=rules(part), min_examples=part.min_examples)
            for part in config.gate.slices
        ),
        confidence=config.gate.confidence,
        variants=len(config.variants),
        seed=config.seed,
    )


def summary_facts(config: Config, plan: Plan) -> dict[str, Any]:
    """What the summary says of the configuration."""
    return {
        "name": config.name,
        "seed": config.seed,
        "config_sha256": config.sha256,
        "metric": config.gate.metric,
        "level": gate_spec(config).level,
        "steps": {variant.name: [describe(step) for step in variant.steps] for variant in plan.variants},
        "nodes": {
            variant.name: {"quantize": variant.quantize_id, "gate": variant.gate_id, "edge": variant.edge_id}
            for variant in plan.variants
        },
        **({"search": True} if config.model.search else {}),
    }

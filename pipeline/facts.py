"""What nodes are told of a configuration: the gate's rules, and what the summary and the manifest say."""

from typing import Any

from components.evaluate.spec import GateSpec, Rule, SliceRule
from compression.outputs import packed
from pipeline.config import Config
from pipeline.config.gate import Thresholds
from pipeline.details_facts import details_facts
from pipeline.frozen_schema import source
from pipeline.plan import Plan, describe


def gate_spec(config: Config) -> GateSpec:
    """What every gate of a configuration is told."""

    def rules(metric: str, thresholds: Thresholds, **more: float | None) -> tuple[Rule, ...]:
        given = thresholds.given()
        return (Rule(metric=metric, **given, **more),) if given else ()

    return GateSpec(
        task=packed(config.tasks),
        label=config.data.label,
        rules=tuple(
            made
            for rule in config.gate.rules
            for made in rules(rule.name, rule, max_drop_vs_champion=rule.max_drop_vs_champion)
        ),
        slices=tuple(
            SliceRule(features=part.by, values=part.where, rules=rules(rule.name, part), min_examples=part.min_examples)
            for rule in config.gate.rules
            for part in rule.slices
        ),
        confidence=config.gate.confidence,
        variants=len(config.variants),
        seed=config.seed,
    )


def push_facts(config: Config, plan: Plan) -> dict[str, Any]:
    """What the manifest and the model card say of the configuration."""
    summary = summary_facts(config, plan)
    return {
        **{key: summary[key] for key in ("name", "steps", "seed", "config_sha256")},
        "label_names": config.data.label_names,
        "task": packed(config.tasks),
        "card": config.card.stated,
    }


def summary_facts(config: Config, plan: Plan) -> dict[str, Any]:
    """What the summary says of the configuration."""
    return {
        "name": config.name,
        "seed": config.seed,
        "schema": source(config),
        "config_sha256": config.sha256,
        "metric": config.gate.metric,
        "level": gate_spec(config).level,
        "steps": {variant.name: [describe(step) for step in variant.steps] for variant in plan.variants},
        "nodes": {
            variant.name: {"quantize": variant.quantize_id, "gate": variant.gate_id, "edge": variant.edge_id}
            for variant in plan.variants
        },
        "details": details_facts(config, plan),
        **({"search": True} if config.model.search else {}),
        **({"champion": True} if config.gate.asks_champion else {}),
        **({"warm_start": True} if config.train.warm_start == "champion" else {}),
    }

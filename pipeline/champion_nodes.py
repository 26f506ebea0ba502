"""The nodes that look at the champion; `pipeline.graph` wires them when the configuration asks for one."""

import json
from collections.abc import Mapping

from tfx.dsl.components.base.base_node import BaseNode
from tfx.types import BaseChannel

from components.champion import Champion
from components.evaluate.champion_answers import ChampionAnswers
from pipeline.code_hash import code_sha256
from pipeline.config import Config


def make(
    config: Config, registry: str, resolved: str, examples: BaseChannel, transform: BaseNode
) -> dict[str, BaseNode]:
    """`champion`, which reads it from the registry, and `champion-answers`, which asks it once for all gates.

    Args:
        config: The configuration; what it does not ask for is left out.
        registry: The registry.
        resolved: What `pipeline.champion.resolve` found; empty: look when the node runs.
        examples: Raw examples.
        transform: The node after which data are known to be worth asking.
    """
    if not config.asks_champion:
        return {}
    champion = Champion(registry=registry, resolved=resolved, code_sha256=code_sha256("components.champion"))
    if not config.gate.asks_champion:
        return {"champion": champion}
    answers = ChampionAnswers(
        examples=examples,
        champion=champion.outputs["champion"],
        transform_graph=champion.outputs["transform_graph"],
        split="eval",
        label_names=json.dumps(config.data.label_names),
        code_sha256=code_sha256("components.evaluate.champion_answers"),
    )
    answers.add_upstream_node(transform)
    return {"champion": champion, "champion-answers": answers}


def contest(nodes: Mapping[str, BaseNode], examples: BaseChannel) -> dict[str, BaseChannel]:
    """What a gate compares with the champion by; empty when nothing asks for that."""
    if "champion-answers" not in nodes:
        return {}
    return {"champion_answers": nodes["champion-answers"].outputs["champion_answers"], "raw_examples": examples}

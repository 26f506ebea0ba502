"""The nodes that look at the champion; `pipeline.graph` wires them when the configuration asks for one."""

import json

from tfx.dsl.components.base.base_node import BaseNode
from tfx.types import BaseChannel

from components.champion import Champion
from components.evaluate.champion_answers import ChampionAnswers
from pipeline.code_hash import code_sha256
from pipeline.config import Config


def champion(registry: str, resolved: str) -> BaseNode:
    """Reads the champion and what it came from.

    Args:
        registry: The registry.
        resolved: What `pipeline.champion.resolve` found; empty: look when the node runs.
    """
    return Champion(registry=registry, resolved=resolved, code_sha256=code_sha256("components.champion"))


def champion_answers(config: Config, examples: BaseChannel, node: BaseNode) -> BaseNode:
    """Asks the champion for the raw eval examples, once for all gates.

    Args:
        config: The configuration.
        examples: Raw examples.
        node: The node of `champion`.
    """
    return ChampionAnswers(
        examples=examples,
        champion=node.outputs["champion"],
        transform_graph=node.outputs["transform_graph"],
        split="eval",
        label_names=json.dumps(config.data.label_names),
        code_sha256=code_sha256("components.evaluate.champion_answers"),
    )

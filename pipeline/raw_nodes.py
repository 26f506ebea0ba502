"""The nodes of `export: {inputs: raw}`; `pipeline.graph` wires them."""

import json

from tfx.dsl.components.base.base_node import BaseNode
from tfx.types import BaseChannel

from components.export_raw import ExportRaw
from components.pretrained_spec import PretrainedSpec
from components.raw_transform import RawTransform
from components.targets import to_text
from pipeline.code_hash import code_sha256
from pipeline.config import Config


def raw_transform(
    config: Config, examples: BaseChannel, transform_graph: BaseChannel, pretrained: PretrainedSpec | None
) -> BaseNode:
    """Converts the transform, once for all variants.

    Args:
        config: The configuration.
        examples: Raw examples.
        transform_graph: What TFX's Transform made.
        pretrained: The model that was trained elsewhere, which says itself what it reads; `None`: the module's does.
    """
    built = [] if pretrained is not None else [str(config.model.module)]
    return RawTransform(
        examples=examples,
        transform_graph=transform_graph,
        module="" if pretrained is not None else config.model.module,
        hparams=json.dumps(config.model.hparams),
        task=to_text(config.tasks),
        pretrained="" if pretrained is None else pretrained.to_json(),
        code_sha256=code_sha256("components.raw_transform", *built),
    )


def export_raw(model: BaseChannel, front: BaseNode, examples: BaseChannel, transform_graph: BaseChannel) -> BaseNode:
    """Puts the transform in front of a finished model.

    Args:
        model: The finished model.
        front: The node of `raw_transform`.
        examples: Raw examples.
        transform_graph: What TFX's Transform made.
    """
    return ExportRaw(
        model=model,
        front=front.outputs["front"],
        examples=examples,
        transform_graph=transform_graph,
        code_sha256=code_sha256("components.export_raw"),
    )

"""The nodes that a pipeline starts from: its transform, and the model that was built and trained here or elsewhere."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tfx.components.schema_gen.component import SchemaGen
from tfx.components.trainer.component import Trainer
from tfx.components.transform.component import Transform
from tfx.dsl.components.base.base_node import BaseNode
from tfx.proto import trainer_pb2, transform_pb2
from tfx.types import BaseChannel

from components.import_schema import ImportSchema
from components.ingest_spec import IngestSpec
from components.pretrained import Pretrained
from components.pretrained_spec import PretrainedSpec
from components.targets import to_text
from pipeline.code_hash import code_sha256
from pipeline.config import Config
from pipeline.frozen_schema import given_schema
from pipeline.search import recipe
from pipeline.sources import unresolved_spec

_PASSTHROUGH = "components.passthrough"


def transform(
    config: Config, examples: BaseChannel, schema: BaseChannel, splits: Sequence[str], pretrained: PretrainedSpec | None
) -> BaseNode:
    """The user's `preprocessing_fn`, or the one that hands features on to a pretrained model."""
    module = config.model.module or _PASSTHROUGH
    custom: dict[str, Any] = {"code_sha256": code_sha256(module)}
    if config.model.module is None:
        assert pretrained is not None
        custom |= {
            "label": to_text(config.data.labels),
            "inputs": {name: asdict(spec) for name, spec in pretrained.inputs.items()},
        }
    return Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn=f"{module}.preprocessing_fn",
        splits_config=transform_pb2.SplitsConfig(analyze=["train"], transform=list(splits)),
        # Nobody reads them, they cost as much as the transform, and the raw data have a node for theirs.
        disable_statistics=True,
        custom_config=custom,
    )


def trainer(
    config: Config,
    transformed: Mapping[str, BaseChannel],
    hyperparameters: BaseChannel | None,
    parent: BaseChannel | None,
) -> BaseNode:
    """Builds and trains the float model.

    Args:
        config: The configuration.
        transformed: Channels `examples` and `transform_graph`.
        hyperparameters: What a search found; `None` without one.
        parent: The champion's float parent, to go on from; `None`: begin anew.
    """
    return Trainer(
        run_fn="components.train.run_fn",
        **transformed,
        train_args=trainer_pb2.TrainArgs(splits=["train"]),
        # TFX's "eval" arguments are what is looked at while training: the eval split stays with the gate.
        eval_args=trainer_pb2.EvalArgs(splits=["validation"]),
        hyperparameters=hyperparameters,
        base_model=parent,
        custom_config={**recipe(config), "code_sha256": code_sha256("components.train", str(config.model.module))},
    )


def pretrained_model(config: Config, spec: PretrainedSpec, transform_graph: BaseChannel) -> BaseNode:
    """Reads the float model that was trained elsewhere."""
    return Pretrained(
        transform_graph=transform_graph,
        spec=spec.to_json(),
        label=to_text(config.data.labels),
        task=to_text(config.tasks),
        code_sha256=code_sha256("components.pretrained"),
    )


def schema_node(config: Config, spec: IngestSpec, statistics: BaseChannel) -> BaseNode:
    """What data must look like: given, frozen, or inferred."""
    text = given_schema(config, spec)
    if text is not None:
        return ImportSchema(text=text)
    # The schema is a promise about training data; inferring it from eval would let eval's faults through.
    return SchemaGen(statistics=statistics, exclude_splits=["validation", "eval"])


def drift_node(config: Config, examples: BaseChannel, schema: BaseChannel) -> BaseNode:
    """Measures how far new data are from older ones; TFDV is imported for those who ask alone."""
    from components.drift import Drift

    guard = config.data.guard
    assert guard is not None
    return Drift(
        examples=examples,
        schema=schema,
        limits=json.dumps(guard.model_dump()),
        label=to_text(config.data.labels),
        task=to_text(config.tasks),
        code_sha256=code_sha256("components.drift"),
        **dividing(unresolved_spec(config)),
    )


def dividing(spec: IngestSpec) -> dict[str, str]:
    """The parameter that names the feature by which records are divided into splits; none where their content does."""
    feature = spec.group_by or spec.split_column
    return {"divides": feature} if feature else {}

"""How the float model is made, for the node that searches its hyper-parameters and for the one that trains it."""

from collections.abc import Mapping
from typing import Any

from tfx.types import BaseChannel

from components.search import Search
from components.targets import to_text
from compression.settings.reading import ReadingSettings
from pipeline.code_hash import code_sha256
from pipeline.config import Config
from pipeline.config.class_weights import numbered


def recipe(config: Config) -> dict[str, Any]:
    """What `components.train.run_fn` and `components.search_tuner.tuner_fn` both read."""
    return {
        "module": config.model.module,
        "hparams": config.model.hparams,
        "train": config.train.settings.model_dump(mode="json"),
        "reading": reading(config).model_dump(mode="json"),
        "task": to_text(config.tasks),
        "label": to_text(config.data.labels),
        "seed": config.seed,
    }


def reading(config: Config) -> ReadingSettings:
    """How examples reach every training, classes by their numbers instead of their names."""
    found = config.train.reading
    return found.model_copy(update={"class_weights": numbered(found.class_weights, config.data.label_names)})


def make_search(config: Config, transformed: Mapping[str, BaseChannel], trials_uri: str) -> Search | None:
    """The node `search`; `None` when the configuration has no `model.search`.

    Args:
        config: The configuration.
        transformed: Channels `examples` and `transform_graph`.
        trials_uri: Folder that keeps the trials.
    """
    if config.model.search is None:
        return None
    return Search(
        **transformed,
        search=config.model.search.model_dump(mode="json"),
        metric=config.gate.metric,
        trials_uri=trials_uri,
        recipe=recipe(config),
        code_sha256=code_sha256("components.search", config.model.module),
    )

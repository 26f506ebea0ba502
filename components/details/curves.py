"""Losses and metrics of every training, epoch by epoch."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tfx.dsl.io import fileio
from tfx.types import Artifact

from components import fan_in, model_artifact
from components.train import HISTORY_FILE

TRAINING_KINDS = frozenset({"train", "distill", "prune", "prune_channels", "cluster", "qat"})


def collect(
    input_dict: Mapping[str, list[Artifact]], tree: Sequence[Mapping[str, Any]], missing: dict[str, str]
) -> list[dict[str, Any]]:
    """One entry for every node that trained: `{node, title, variants, epochs, series}`, in the order of the tree.

    Args:
        input_dict: The Trainer's `model_run` as `training`, and the model of every step under `fan_in.step_key`.
        tree: The nodes; those that train have a kind of `TRAINING_KINDS`.
        missing: Gets a reason for every node that has no curve.
    """
    found = []
    for node in tree:
        if node["kind"] not in TRAINING_KINDS:
            continue
        series = _of_trainer(input_dict) if node["kind"] == "train" else _of_step(input_dict, node["id"])
        if series:
            found.append(_entry(node, series))
        else:
            why = "the node did not finish" if series is None else "it trained for no epoch"
            missing[f"curves.{node['id']}"] = why
    return found


def _of_trainer(input_dict: Mapping[str, list[Artifact]]) -> dict[str, list[float]] | None:
    model_run = fan_in.single(input_dict, "training")
    path = f"{model_run.uri}/{HISTORY_FILE}" if model_run else None
    if path is None or not fileio.exists(path):
        return None
    with fileio.open(path) as stream:
        return json.loads(stream.read())


def _of_step(input_dict: Mapping[str, list[Artifact]], node_id: str) -> dict[str, list[float]] | None:
    model = fan_in.single(input_dict, fan_in.step_key(node_id))
    reports = model_artifact.step_reports(model) if model else []
    return reports[-1].get("history", {}) if reports else None


def _entry(node: Mapping[str, Any], series: Mapping[str, Iterable[float]]) -> dict[str, Any]:
    # A metric may be no number although the loss is one; JSON has no word for that.
    plain = {name: [value if math.isfinite(value) else None for value in values] for name, values in series.items()}
    epochs = max(len(values) for values in plain.values())
    return {
        "node": node["id"],
        "title": node["label"],
        "variants": node["variants"],
        "epochs": list(range(1, epochs + 1)),
        "series": plain,
    }

"""From the data to the version: which artifacts and nodes made what."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from tfx.types import Artifact

from components import edge_pusher, fan_in, ingest, model_artifact, summary_champion
from components.outcomes import Outcome


def collect(
    input_dict: Mapping[str, list[Artifact]], found: Sequence[Outcome], tree: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """`{spans, files, examples, float_model, warm_start, variants: {name: {nodes, model, sha256}}, version}`.

    Args:
        input_dict: `examples`, `float_model`, `training` and `pushed` among others.
        found: The variants.
        tree: The nodes, parents first.
    """
    examples, float_model = fan_in.single(input_dict, "examples"), fan_in.single(input_dict, "float_model")
    window = ingest.read_window(examples.uri) if examples else {}
    return {
        "spans": window.get("spans", []),
        "files": window.get("files"),
        "examples": examples.uri if examples else None,
        "float_model": float_model.uri if float_model else None,
        "warm_start": summary_champion.warm_start(input_dict),
        "variants": {outcome.name: _variant(outcome, tree) for outcome in found},
        "version": _version(input_dict),
    }


def _variant(outcome: Outcome, tree: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    path = model_artifact.tflite_path(outcome.model) if outcome.model else None
    return {
        "nodes": [node["id"] for node in tree if outcome.name in node["variants"]],
        "model": outcome.model.uri if outcome.model else None,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest() if path and path.exists() else None,
    }


def _version(input_dict: Mapping[str, list[Artifact]]) -> int | None:
    pushed = fan_in.single(input_dict, "pushed")
    version = edge_pusher.read_pushed(pushed)["version"] if pushed else None
    return version["version"] if version else None

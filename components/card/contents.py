"""What a model card says, as JSON values, in the order and the words of "Model Cards for Model Reporting".

Mitchell et al., 2019, https://arxiv.org/abs/1810.03993, section 4. What the configuration does not state is null.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.card.usage import usage
from compression.interface import Interface

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Facts:
    """Everything that a card is made from; all of it JSON values that other artifacts hold.

    Attributes:
        stated: The section `card` of the configuration.
        pipeline: `{name, steps: {variant: [..]}, label_names, task, config_sha256, seed, splits}` of the plan.
        selection: What the selector wrote: `selected`, `gate`, `slices`, `checks`, `edge`, `champion`.
        conversion: What the steps report of the finished file.
        examples: Records by split.
        spans: What was read, span by span; none without spans.
        lineage: `{float_model, transform_graph}`, each `{uri, sha256}`.
        tools: Versions of the packages that made the model.
        run_id: The run.
        file: `{sha256, size_bytes, gzip_bytes}` of the model.
        interface: What the file itself says.
    """

    stated: Mapping[str, Any]
    pipeline: Mapping[str, Any]
    selection: Mapping[str, Any]
    conversion: Mapping[str, Any]
    examples: Mapping[str, int]
    spans: Sequence[Mapping[str, Any]]
    lineage: Mapping[str, Mapping[str, str]]
    tools: Mapping[str, str]
    run_id: str | None
    file: Mapping[str, Any]
    interface: Interface


def compose(facts: Facts) -> dict[str, Any]:
    """The card. It holds no time of its own, so that the same facts give the same bytes."""
    stated, edge = facts.stated, facts.selection["edge"]
    return {
        "schema_version": SCHEMA_VERSION,
        "model_details": _details(facts),
        "intended_use": {name: stated.get(name) for name in ("intended_use", "intended_users", "out_of_scope")},
        "factors": {"factors": stated.get("factors"), "slices": _sliced_by(facts.selection)},
        "metrics": {
            "confidence": facts.selection["gate"]["confidence"],
            "rules": [
                {name: check[name] for name in ("metric", "slice", "rule", "limit", "value", "lower", "upper", "state")}
                for check in facts.selection.get("checks", [])
            ],
        },
        "data": _data(facts),
        "quantitative_analyses": {
            "examples": facts.selection["gate"]["examples"],
            "overall": facts.selection["gate"]["metrics"],
            "slices": [
                {name: part[name] for name in ("slice", "examples", "state", "metrics")}
                for part in facts.selection.get("slices", [])
            ],
            "champion": facts.selection.get("champion"),
        },
        "ethical_considerations": stated.get("ethical_considerations"),
        "caveats": stated.get("caveats"),
        "size": _size(facts),
        "speed": _speed(edge),
        "inputs": list(facts.conversion["inputs"]),
        "outputs": list(facts.conversion["outputs"]),
        "usage": usage(
            facts.conversion["inputs"],
            facts.conversion["outputs"],
            facts.interface,
            kernels=(edge.get("host") or {}).get("kernels", "xnnpack"),
            arena_bytes=edge.get("arena_bytes"),
        ),
    }


def _details(facts: Facts) -> dict[str, Any]:
    variant, pipeline = facts.selection["selected"], facts.pipeline
    return {
        "name": pipeline["name"],
        "variant": variant,
        "steps": pipeline["steps"][variant],
        "task": pipeline["task"],
        "label_names": pipeline["label_names"],
        "license": facts.stated.get("license"),
        "owners": list(facts.stated.get("owners") or []),
        "run_id": facts.run_id,
        "seed": pipeline["seed"],
        "config_sha256": pipeline["config_sha256"],
        "tools": dict(facts.tools),
        "parents": {name: parent["sha256"] for name, parent in facts.lineage.items()},
        "selection": facts.selection["reason"],
    }


def _data(facts: Facts) -> dict[str, Any]:
    """Training and evaluation data: what is known of them without reading them again."""
    return {
        "description": facts.stated.get("data_description"),
        "splits": [
            {"split": name, "examples": facts.examples.get(name, 0), "used_for": words}
            for name, words in _SPLITS.items()
        ],
        "spans": [{name: span.get(name) for name in ("name", "version", "examples")} for span in facts.spans],
    }


_SPLITS = {
    "train": "training and fine-tuning, calibration of quantization, and what the transform learns",
    "validation": "early stopping, search, choosing among variants",
    "eval": "the numbers in this card and the golden pairs; nothing else has seen them",
}


def _sliced_by(selection: Mapping[str, Any]) -> list[str]:
    """The features by which quality was looked at, each once."""
    features = [name for part in selection.get("slices", []) for name in part["values"]]
    return list(dict.fromkeys(features))


def _size(facts: Facts) -> dict[str, Any]:
    audit = facts.conversion["audit"]
    return {
        **{name: facts.file[name] for name in ("sha256", "size_bytes", "gzip_bytes")},
        "weights_sparsity": audit.get("sparsity"),
        "distinct_weights": audit.get("distinct_weights"),
        "operators": {name: audit.get("operators", {})[name] for name in sorted(audit.get("operators", {}))},
        "float_operators": sorted(set(audit.get("float_operators", ()))),
    }


def _speed(edge: Mapping[str, Any]) -> dict[str, Any]:
    """Latency with the host that it was measured on, without which it says nothing."""
    latency = edge.get("latency") or {}
    named = ("cpu", "machine", "cores", "system", "litert", "threads", "kernels")
    return {
        "profile": edge["profile"],
        "latency_ms": {name: latency.get(f"{name}_ms") for name in ("p50", "p90", "p99")},
        "host": {name: value for name in named if (value := (edge.get("host") or {}).get(name)) is not None},
        "arena_bytes": edge.get("arena_bytes"),
        "arena_source": edge.get("arena_source"),
        "macs": edge.get("macs"),
    }

"""What the details of a run say of its configuration: its text, the names of classes, and the tree of nodes."""

from collections.abc import Iterator
from typing import Any

from pipeline.config import Config
from pipeline.plan import Plan, VariantPlan, describe, root_id

BASELINE = "float32"


def details_facts(config: Config, plan: Plan) -> dict[str, Any]:
    """`{config, labels, tree}` for `components.details.compose`; the configuration never holds secrets."""
    return {"config": config.text, "labels": config.data.label_names, "tree": list(tree(config, plan))}


def tree(config: Config, plan: Plan) -> Iterator[dict[str, Any]]:
    """The nodes from the float model on, parents first: `{id, kind, label, parent, variants}`.

    Args:
        config: The configuration.
        plan: Its plan.
    """
    root, everyone = root_id(config), [variant.name for variant in plan.variants]
    kind, label = ("train", "training") if root == "trainer" else ("pretrained", "trained elsewhere")
    yield _node(root, kind, label, None, everyone)
    for step in plan.steps:
        yield _node(step.id, step.kind, describe(step), step.parent or root, list(step.variants))
    raw = config.export.inputs == "raw"
    yield from _finish(
        {"quantize": "baseline", "export": "raw-baseline" if raw else None, "edge": "edge-baseline"},
        f"quantize {BASELINE}",
        root,
        [],
    )
    for variant in plan.variants:
        yield from _variant(variant, variant.parent or root)


def _variant(variant: VariantPlan, parent: str) -> Iterator[dict[str, Any]]:
    own = {
        "quantize": variant.quantize_id,
        "export": variant.raw_id,
        "gate": variant.gate_id,
        "edge": variant.edge_id,
    }
    yield from _finish(own, describe(variant.steps[-1]), parent, [variant.name])


def _finish(own: dict[str, str | None], conversion: str, parent: str, variants: list[str]) -> Iterator[dict[str, Any]]:
    """The conversion, what puts the transform in front of it, and what judges the file."""
    labels = {"quantize": conversion, "export": "transform in front", "gate": "gate", "edge": "edge check"}
    # The gate judges the model itself, the edge check what ships.
    parents = {"quantize": parent, "export": own["quantize"], "gate": own["quantize"]}
    parents["edge"] = own["export"] or own["quantize"]
    for kind, node_id in own.items():
        if node_id is not None:
            yield _node(node_id, kind, labels[kind], parents[kind], variants)


def _node(node_id: str, kind: str, label: str, parent: str | None, variants: list[str]) -> dict[str, Any]:
    return {"id": node_id, "kind": kind, "label": label, "parent": parent, "variants": variants}

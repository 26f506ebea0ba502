"""The tree of variants: sharing, ids, order."""

from types import MappingProxyType

import pytest

from pipeline import plan as plan_module
from pipeline.plan import describe, make_plan

HEAD = "name: p\ndata: {format: tfrecord, path: d, label: y}\nmodel: {module: m, task: multiclass}\n"
TAIL = "gate: {metric: accuracy, max_drop: 0.1}\n"
PRUNE = "prune: {sparsity: 0.8}"
INT8 = "quantize: {mode: int8}"


@pytest.fixture
def plan_of(configs):
    def make(overrides=MappingProxyType({}), **variants):
        rows = "".join(f"  {name}: [{', '.join(steps)}]\n" for name, steps in variants.items())
        return make_plan(configs.load(f"{HEAD}variants:\n{rows}{TAIL}", **overrides))

    return make


def test_common_beginnings_are_shared(plan_of):
    plan = plan_of(int8=[INT8], pruned=[PRUNE, INT8], pqat=[PRUNE, "qat", INT8], qat=["qat", INT8])
    kinds = {node.id: node.kind for node in plan.steps}
    shape = [(node.kind, node.parent and kinds[node.parent], node.history, node.variants) for node in plan.steps]
    assert shape == [
        ("prune", None, (), ("pruned", "pqat")),
        ("qat", "prune", ("prune",), ("pqat",)),
        ("qat", None, (), ("qat",)),
    ]
    prune, pruned_qat, qat = (node.id for node in plan.steps)
    assert [(variant.name, variant.interior, variant.parent) for variant in plan.variants] == [
        ("int8", (), None),
        ("pruned", (prune,), prune),
        ("pqat", (prune, pruned_qat), pruned_qat),
        ("qat", (qat,), qat),
    ]


def test_settings_that_differ_are_not_shared(plan_of):
    plan = plan_of(a=[PRUNE, INT8], b=["prune: {sparsity: 0.7}", INT8])
    assert len(plan.steps) == 2
    assert len({node.id for node in plan.steps}) == 2


def test_defaults_written_out_are_the_same_step(plan_of):
    plan = plan_of(a=["qat", INT8], b=["qat: {epochs: 3}", "quantize: {mode: int8_io}"])
    assert [node.variants for node in plan.steps] == [("a", "b")]


def test_ids_depend_on_the_steps_alone(plan_of):
    alone = plan_of(pqat=[PRUNE, "qat", INT8])
    among = plan_of(
        x=["qat", INT8], first=["prune: {sparsity: 0.1}", INT8], renamed=[PRUNE, "qat", INT8], y=[PRUNE, INT8]
    )
    assert among.variants[2].interior == alone.variants[0].interior


def test_ids_stay_the_same_between_versions(plan_of):
    """They name artifacts: an id that moves loses the cache of every user."""
    assert [node.id for node in plan_of(a=[PRUNE, "qat", INT8]).steps] == ["prune-a30379cf", "qat-1d82b25d"]


def test_the_order_of_patterns_makes_another_step(plan_of):
    first = "prune_channels: {ratio: 0.1, layers: {a_*: 0.5, a_1: 0.2}}"
    second = "prune_channels: {ratio: 0.1, layers: {a_1: 0.2, a_*: 0.5}}"
    assert len({node.id for node in plan_of(a=[first, INT8], b=[second, INT8]).steps}) == 2


def test_parents_come_first(plan_of):
    plan = plan_of(a=[PRUNE, "qat", INT8], b=["qat", INT8], c=[PRUNE, INT8])
    seen = {None}
    for node in plan.steps:
        assert node.parent in seen
        seen.add(node.id)


def test_node_names_are_kebab_case(plan_of):
    (variant,) = plan_of(pruned_int8_io=["quantize: {mode: int8_io}"]).variants
    assert (variant.quantize_id, variant.gate_id) == ("quantize-pruned-int8-io", "gate-pruned-int8-io")


def test_raw_inputs_are_one_more_node_between_conversion_and_gate(plan_of):
    (variant,) = plan_of(a_b=[INT8]).variants
    assert (variant.raw_id, variant.finishing) == (None, ("quantize-a-b", "gate-a-b", "edge-a-b"))
    (variant,) = plan_of({"export.inputs": "raw"}, a_b=[INT8]).variants
    assert variant.finishing == ("quantize-a-b", "raw-a-b", "gate-a-b", "edge-a-b")


def test_the_same_id_for_different_steps_is_refused(plan_of, monkeypatch):
    monkeypatch.setattr(plan_module, "_node_id", lambda chain: "same-id")
    with pytest.raises(ValueError, match="node ids must be unique, got same-id twice; change a setting of b"):
        plan_of(a=[PRUNE, INT8], b=["qat", INT8])


def test_descriptions(plan_of):
    (variant,) = plan_of(a=["prune: {sparsity: 0.875}", "prune_channels: {ratio: 0.5}", "qat", INT8]).variants
    assert [describe(step) for step in variant.steps] == ["prune 87.5%", "prune_channels 50%", "qat", "quantize int8"]
    (variant,) = plan_of(a=["quantize: {mode: int4, layers: {digit: int8}, max_validation_drop: 0.005}"]).variants
    assert describe(variant.steps[-1]) == "quantize int4 mixed, drop at most 0.005"

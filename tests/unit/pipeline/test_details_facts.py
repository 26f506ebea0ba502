"""What the details say of a configuration: its text, and the tree that people see."""

from pathlib import Path

import pytest

from pipeline.config import load
from pipeline.details_facts import details_facts
from pipeline.plan import make_plan

DIGITS = Path(__file__).parents[3] / "configs" / "digits.yaml"


def facts(**overrides):
    config = load(DIGITS, overrides)
    return details_facts(config, make_plan(config)), make_plan(config)


def test_the_text_is_told_as_it_was_written_comments_and_all():
    told, _ = facts()
    assert told["config"] == DIGITS.read_text()
    assert told["labels"][:2] == ("zero", "one")


@pytest.mark.parametrize("inputs", ["transformed", "raw"])
def test_every_node_stands_under_the_one_it_reads(inputs):
    told, plan = facts(**{"export.inputs": inputs})
    nodes = {node["id"]: node for node in told["tree"]}
    assert len(nodes) == len(told["tree"])
    before = set()
    for node in told["tree"]:
        assert node["parent"] is None or node["parent"] in before, "parents first"
        before.add(node["id"])
    for variant in plan.variants:
        way = [nodes[variant.edge_id]]
        while way[-1]["parent"] is not None:
            way.append(nodes[way[-1]["parent"]])
        shipped = () if inputs == "transformed" else (variant.raw_id,)
        ids = ("trainer", *variant.interior, variant.quantize_id, *shipped, variant.edge_id)
        assert [node["id"] for node in reversed(way)] == list(ids)
        assert all(variant.name in node["variants"] for node in way)
        assert nodes[variant.gate_id]["parent"] == variant.quantize_id, "the gate judges the model itself"
    prune = next(node for node in told["tree"] if node["kind"] == "prune")
    assert (prune["label"], prune["variants"]) == ("prune 80%", ["pruned_int8", "pqat_int8"])
    assert nodes["baseline"]["variants"] == []

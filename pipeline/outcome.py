"""From node results and the summary node's artifact to the summary of a run."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfx.types import Artifact

from components.details import compose as details
from components.details.compose import DETAILS_FILE
from components.summary import SUMMARY_FILE, compose
from pipeline.config import Config
from pipeline.facts import summary_facts
from pipeline.failure import cause
from pipeline.plan import Plan
from pipeline.runner import NodeResult, State
from pipeline.summary_inputs import Source, all_sources, run_sources
from pipeline.workspace import now

BASELINE_PARTS = {"baseline", "raw-baseline", "edge-baseline"}
"""Nodes that measure the baseline's file; a run whose variants pass does without."""

OF_DATA = {"examples", "drift"}
"""What the summary of a run that ended early tells all the same; it speaks of variants when all had their turn."""


def summarize(
    config: Config, plan: Plan, results: Sequence[NodeResult], *, run_id: str, started_at: str, interrupted: int | None
) -> dict[str, Any]:
    """The whole summary; `summary_schema.json` describes it.

    Args:
        config: The configuration.
        plan: Its plan.
        results: How the nodes ended, those that never began included.
        run_id: Id of the run.
        started_at: When it began.
        interrupted: Exit code of a run that was interrupted (130, 143), else `None`.
    """
    states = {result.id: result for result in results}
    sources = {key: source for key, source in run_sources(config, plan).items() if key in OF_DATA}
    summary = _from_node(states, SUMMARY_FILE) or compose(
        _ended_early(sources, states), summary_facts(config, plan), run_id
    )
    shared = _shared_nodes(plan, states)
    for variant, way in zip(summary["variants"], plan.variants, strict=True):
        _add_stage(variant, shared, [*way.interior, *way.finishing], states)
    summary["nodes"] = [_node(result) for result in results]
    summary["started_at"], summary["finished_at"] = started_at, now()
    summary["not_measured"] = {k: v for k, v in summary["not_measured"].items() if k not in ("started_at", "nodes")}
    summary["status"], summary["exit_code"] = _status(summary, plan, states, interrupted)
    return summary


def detail(config: Config, plan: Plan, results: Sequence[NodeResult]) -> dict[str, Any]:
    """The details under the summary, as far as the run got; `report/details_schema.json` describes them.

    Args:
        config: The configuration.
        plan: Its plan.
        results: How the nodes ended.
    """
    states = {result.id: result for result in results}
    made = _from_node(states, DETAILS_FILE)
    return made or details.compose(_ended_early(all_sources(config, plan), states), summary_facts(config, plan))


def _from_node(states: dict[str, NodeResult], name: str) -> dict[str, Any] | None:
    result = states.get("summary")
    if result is None or not result.outputs or not result.succeeded:
        return None
    return json.loads((Path(result.outputs["summary"][0].uri) / name).read_text())


def _ended_early(sources: Mapping[str, Source], states: dict[str, NodeResult]) -> dict[str, list[Artifact]]:
    """What a run that did not get to its summary node knows all the same: the artifacts of nodes that succeeded."""
    return {
        key: list(states[node_id].outputs[output])
        for key, (node_id, output) in sources.items()
        if node_id in states and states[node_id].succeeded and states[node_id].outputs
    }


def _own_nodes(plan: Plan) -> set[str]:
    """Nodes that belong to some variants and not to the run as a whole."""
    return {node.id for node in plan.steps} | {node_id for variant in plan.variants for node_id in variant.finishing}


def _shared_nodes(plan: Plan, states: dict[str, NodeResult]) -> list[str]:
    """Nodes that every variant needs: all before the first step."""
    own, after = _own_nodes(plan), {*BASELINE_PARTS, "selector", "edge-pusher", "summary"}
    return [node_id for node_id in states if node_id not in own | after]


def _add_stage(variant: dict[str, Any], shared: list[str], own: list[str], states: dict[str, NodeResult]) -> None:
    """Where a variant ended and why, when a node of it failed; the summary node knows the rest."""
    if variant["status"] != "failed":
        return
    variant["status"] = "not_run"
    ended = next((states[node] for node in (*shared, *own) if node in states and not states[node].succeeded), None)
    if ended is None:
        variant["stage"], variant["reasons"] = None, ["the run ended before its gate"]
        return
    variant["stage"] = ended.id
    variant["reasons"] = [f"{ended.id} was not finished"]
    if ended.state is State.FAILED and ended.error is not None:
        # A failure in front of the tree is the run's, not the variant's.
        variant["status"] = "failed" if ended.id in own else "not_run"
        variant["reasons"] = [f"{ended.id} failed: {cause(ended.error)}"]


def _status(
    summary: dict[str, Any], plan: Plan, states: dict[str, NodeResult], interrupted: int | None
) -> tuple[str, int]:
    if interrupted is not None:
        return "failed", interrupted
    failed = {node_id for node_id, result in states.items() if result.state is State.FAILED}
    if failed - _own_nodes(plan) - BASELINE_PARTS:
        return "failed", 1
    if summary["pushed"]:
        return "pushed", 0
    all_failed = failed and all(variant["status"] == "failed" for variant in summary["variants"])
    return ("failed", 1) if all_failed else ("blocked", 0)


def _node(result: NodeResult) -> dict[str, Any]:
    return {
        "id": result.id,
        "seconds": None if result.seconds is None else round(result.seconds, 3),
        "cached": result.state is State.CACHED,
        "status": str(result.state),
    }

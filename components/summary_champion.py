"""What the summary says of the champion: who it is, how it does today, and whether training went on from it."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfx.types import Artifact

from components import fan_in
from components import warm_start as warm_starts
from components.champion import Standing, read_standing
from components.outcomes import Outcome

_NOT_ASKED = "the gate compares with the baseline alone"


def standing(input_dict: Mapping[str, list[Artifact]]) -> Standing | None:
    """The champion of the run; `None` when the run did not look for one."""
    champion = fan_in.single(input_dict, "champion")
    return read_standing(champion.uri) if champion else None


def warm_start(input_dict: Mapping[str, list[Artifact]]) -> dict[str, Any] | None:
    """`{used, version, reason}` of the training; `None` when no warm start was asked for, or nothing was trained."""
    model_run = fan_in.single(input_dict, "training")
    found = warm_starts.read(model_run) if model_run else None
    return {**found, "reason": found["reason"] or None} if found else None


def describe(champion: Standing | None, found: Sequence[Outcome], metric: str) -> dict[str, Any] | None:
    """`{version, metric, value}`; `None` without a champion.

    The value comes from any gate: all of them read the same answers of it.
    """
    if champion is None or champion.version is None:
        return None
    values = [compared["champion"] for outcome in found if (compared := outcome.beside_champion(metric))]
    return {"version": champion.version, "metric": metric, "value": values[0] if values else None}


def not_compared(champion: Standing | None, facts: Mapping[str, Any], outcome: Outcome) -> str | None:
    """Why a variant was not compared with the champion, in words; `None` when it was."""
    if not facts.get("champion"):
        return _NOT_ASKED
    if outcome.verdict is None or outcome.verdict.champion is None:
        return "the gate did not report"
    return outcome.verdict.champion["not_compared"]


def not_measured(
    champion: Standing | None, warm: object, facts: Mapping[str, Any], found: Sequence[Outcome]
) -> dict[str, str]:
    """Why the summary says nothing of the champion, or of its value, or of the start of the training."""
    missing = {}
    if warm is None:
        missing["warm_start"] = "the training did not end" if facts.get("warm_start") else "train.warm_start is none"
    if champion is None:
        asked = facts.get("champion") or facts.get("warm_start")
        return missing | {"champion": "the run did not get to it" if asked else _NOT_ASKED}
    if champion.version is None:
        return missing | {"champion": champion.reason}
    said = [not_compared(champion, facts, outcome) for outcome in found]
    if said and None not in said:
        missing["champion.value"] = str(said[0])
    return missing

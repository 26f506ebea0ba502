"""What is known of a run, with every key there, so that parts ask for facts and not for keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

_DETAILS = ("config", "labels", "tree", "curves", "layers", "confusion", "statistics", "lineage")
_NOT_RECORDED = "this run recorded nothing about it"

Variant = Mapping[str, Any]
Context = dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """A run.

    Attributes:
        summary: As in `pipeline/summary_schema.json`.
        given: As in `report/details_schema.json`; None: nothing but the summary is known.
    """

    summary: Mapping[str, Any]
    given: Mapping[str, Any] | None = field(default=None)

    @cached_property
    def details(self) -> Mapping[str, Any]:
        """The details; what is not known is None."""
        return {key: (self.given or {}).get(key) for key in _DETAILS}

    @property
    def variants(self) -> Sequence[Variant]:
        """All variants in the order of the configuration."""
        found: Sequence[Variant] = self.summary["variants"]
        return found

    @property
    def metric(self) -> str:
        """Name of the metric that decides, of one of several outputs `output/metric`."""
        return str(self.summary["baseline"]["metric"])

    @cached_property
    def selected(self) -> Variant | None:
        """The variant that was chosen, pushed or not."""
        return next((variant for variant in self.variants if variant["name"] == self.summary["selected"]), None)

    @cached_property
    def shown(self) -> Variant | None:
        """The variant that comparisons show first: the chosen one, else the one that lost least."""
        measured = [variant for variant in self.variants if variant["drop"] is not None]
        return self.selected or min(measured, key=lambda variant: float(variant["drop"]), default=None)

    @cached_property
    def higher_is_better(self) -> bool:
        """The metric's direction; told by the details, else by any drop that was measured."""
        told = (self.given or {}).get("higher_is_better")
        if told is not None:
            return bool(told)
        before = self.summary["baseline"]["value"]
        moved = [v for v in self.variants if v["drop"] and v["value"] is not None and before is not None]
        return all((variant["value"] < before) == (variant["drop"] > 0) for variant in moved)

    def beside(self, drop: float) -> float:
        """The metric's value that lies so far from the baseline's, which must be known."""
        before = float(self.summary["baseline"]["value"])
        return before - drop if self.higher_is_better else before + drop

    def node(self, node_id: str) -> Mapping[str, Any] | None:
        """How a node ended; None: that is not known here."""
        return self._nodes.get(node_id)

    @cached_property
    def _nodes(self) -> Mapping[str, Mapping[str, Any]]:
        return {node["id"]: node for node in self.summary["nodes"]}

    def why(self, path: str) -> str:
        """Why a fact is not there.

        Args:
            path: Its key in the details or in the summary, such as `confusion` or `baseline.value`.
        """
        reasons = {**self.summary["not_measured"], **((self.given or {}).get("not_measured") or {})}
        # Where parts have reasons of their own, such as `layers.int8`, and the whole has none, theirs are the whole's.
        return str(reasons.get(path) or "; ".join(dict.fromkeys(self.parts_of(path).values())) or _NOT_RECORDED)

    def parts_of(self, path: str) -> Mapping[str, str]:
        """Part of a fact that is not there to the reason, such as a node of `curves`."""
        reasons: Mapping[str, str] = (self.given or {}).get("not_measured") or {}
        return {key.removeprefix(f"{path}."): why for key, why in reasons.items() if key.startswith(f"{path}.")}


def limit_of(variant: Variant, rule: str) -> float | None:
    """The threshold of a rule over all examples, for the metric that decides; None: there is no such rule."""
    return next(
        (
            gate["threshold"]
            for gate in variant["gates"]
            if gate["rule"] == rule and not gate["slice"] and gate["metric"] == variant["metric"]
        ),
        None,
    )

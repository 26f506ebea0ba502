"""What rules of advice look at, and what they say."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

FLOAT_MODES = ("float32", "float16")


@dataclass(frozen=True)
class Advice:
    """One thing to try.

    Attributes:
        rule: Name of the rule that fired.
        because: The facts, with their numbers.
        advice: What to do.
        yaml: What to write into the configuration; empty: nothing.
    """

    rule: str
    because: str
    advice: str
    yaml: str = ""


@dataclass(frozen=True)
class Case:
    """A variant in its run.

    Attributes:
        summary: As in `summary_schema.json`.
        variant: One of its variants.
        layers: Its layers, as in `report/details_schema.json`; none: their errors are not known.
    """

    summary: Mapping[str, Any]
    variant: Mapping[str, Any]
    layers: Sequence[Mapping[str, Any]] = ()

    @property
    def prefix(self) -> list[str]:
        """Its steps before `quantize`, in words."""
        return list(self.variant["steps"][:-1])

    @property
    def mode(self) -> str:
        """The mode of its conversion."""
        return mode_of(self.variant)

    @cached_property
    def audit(self) -> Mapping[str, Any]:
        """What the finished file holds; empty without a file."""
        return self.variant["audit"] or {}

    @cached_property
    def drop_rules(self) -> list[Mapping[str, Any]]:
        """Rules about a drop, on all examples, that it broke for sure."""
        rules = (gate for gate in self.variant["gates"] if gate["rule"].startswith("max_drop") and not gate["slice"])
        return [gate for gate in rules if gate["state"] == "blocked"]

    def in_float(self) -> Mapping[str, Any] | None:
        """The variant with the same steps that was converted without integers and has a drop."""
        return next(
            (
                other
                for other in self.summary["variants"]
                if other["steps"][:-1] == self.prefix and mode_of(other) in FLOAT_MODES and other["drop"] is not None
            ),
            None,
        )

    def reason(self, pattern: str) -> str | None:
        """The first reason that matches."""
        return next((reason for reason in self.variant["reasons"] if re.search(pattern, reason)), None)


def mode_of(variant: Mapping[str, Any]) -> str:
    """The mode of a variant's conversion, from its steps in words."""
    return str(variant["steps"][-1]).removeprefix("quantize ").split()[0].rstrip(",")

"""What became of every variant, read from its artifacts alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfx.types import Artifact
from tfx.types.standard_artifacts import InfraBlessing, Model

from components import edge_check, fan_in, model_artifact
from components.evaluate.verdict import SliceResult, Verdict, read_verdict
from compression.edge.report import EdgeReport


@dataclass(frozen=True)
class Outcome:
    """One variant.

    Attributes:
        name: Name of the variant.
        model: Its finished model; `None` when a step failed.
        reports: Reports of its steps, first step first.
        verdict: What the gate decided; `None` when the gate failed.
        blessed: The gate's blessing; `None` when it gave none.
        edge: What the edge check found; `None` when it failed.
        edge_blessing: The edge check's artifact, which holds the golden pairs.
    """

    name: str
    model: Model | None
    reports: Sequence[Mapping[str, Any]] = ()
    verdict: Verdict | None = None
    blessed: bool | None = None
    edge: EdgeReport | None = None
    edge_blessing: InfraBlessing | None = None

    @property
    def passed(self) -> bool:
        """Whether the gate and the edge check were both there and both passed."""
        return self.status == "passed"

    @property
    def status(self) -> str:
        """`passed`, `blocked`, `not_enough_data` or `failed`, as in the summary."""
        if self.faults:
            return "blocked"
        if self.verdict is None or self.edge is None:
            return "failed"
        if not self.edge.passed or self.verdict.state == "blocked":
            return "blocked"
        if self.verdict.state == "passed" and not self.blessed:
            return "blocked"
        return self.verdict.state

    @property
    def stage(self) -> str | None:
        """Which of `quantize`, `gate` and `edge` ended it; `None` when it passed, or a step before these failed."""
        if self.faults:
            return "quantize"
        if self.passed or self.model is None:
            return None
        held = self.verdict is not None and self.verdict.state == "passed" and self.blessed
        return "edge" if held else "gate"

    @property
    def faults(self) -> list[str]:
        """What is wrong with the file itself: it breaks promises, or does not compute what its model computes."""
        return model_artifact.faults(self.conversion)

    @property
    def reasons(self) -> list[str]:
        """Why the variant did not pass, in words."""
        if self.model is None:
            return ["a step of this variant failed"]
        missing = [name for name, part in (("gate", self.verdict), ("edge check", self.edge)) if part is None]
        said = [*self.faults, *(f"the {name} of this variant failed" for name in missing)]
        if self.verdict is not None:
            said += self.verdict.reasons
            if self.verdict.state == "passed" and not self.blessed:
                said.append("TFMA's validation does not agree that every rule holds; the evaluation artifact says why")
        return [*said, *(self.edge.reasons if self.edge else ())]

    @property
    def conversion(self) -> Mapping[str, Any]:
        """What the steps report of the finished file."""
        return model_artifact.conversion(self.reports)

    @property
    def overall(self) -> SliceResult | None:
        """The gate's numbers on the whole eval split."""
        return self.verdict.slices[0] if self.verdict and self.verdict.slices else None

    def beside_champion(self, metric: str) -> Mapping[str, Any]:
        """`{candidate, champion, drop, drop_ci}` of a metric on the raw eval examples; empty without a comparison."""
        champion = self.verdict.champion if self.verdict else None
        return champion["metrics"].get(metric, {}) if champion else {}


def collect(input_dict: Mapping[str, list[Artifact]], names: Sequence[str]) -> list[Outcome]:
    """The outcomes of all variants, in the order of `names`."""
    return [_outcome(input_dict, name) for name in names]


def _outcome(input_dict: Mapping[str, list[Artifact]], name: str) -> Outcome:
    model, evaluation, blessing, edge = (
        fan_in.single(input_dict, fan_in.input_key(kind, name)) for kind in fan_in.VARIANT_INPUTS
    )
    if model is None:
        return Outcome(name, None)
    judged = evaluation is not None and blessing is not None
    return Outcome(
        name,
        model,
        reports=model_artifact.step_reports(model),
        verdict=read_verdict(evaluation.uri) if judged else None,
        blessed=bool(blessing.get_int_custom_property("blessed")) if judged else None,
        edge=edge_check.read_report(edge) if edge else None,
        edge_blessing=edge,
    )

"""What became of every variant, read from its artifacts alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfx.types import Artifact
from tfx.types.standard_artifacts import Model

from components import fan_in, gate, model_artifact


@dataclass(frozen=True)
class Outcome:
    """One variant.

    Attributes:
        name: Name of the variant.
        model: Its finished model; `None` when a step failed.
        reports: Reports of its steps, first step first.
        result: What the gate measured; `None` when the gate failed.
        checks: The gate's rules, judged.
        blessed: The Evaluator's verdict; `None` when it gave none.
    """

    name: str
    model: Model | None
    reports: Sequence[Mapping[str, Any]] = ()
    result: gate.GateResult | None = None
    checks: Sequence[gate.Check] = ()
    blessed: bool | None = None

    @property
    def passed(self) -> bool:
        """Whether the Evaluator blessed the model and all our own checks of its result hold."""
        return bool(self.blessed) and bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def status(self) -> str:
        """`passed`, `blocked` or `failed`, as in the summary."""
        if self.result is None:
            return "failed"
        return "passed" if self.passed else "blocked"

    @property
    def reasons(self) -> list[str]:
        """Why the variant did not pass, in words."""
        if self.model is None:
            return ["a step of this variant failed"]
        if self.result is None:
            return ["the gate of this variant failed"]
        said = [check.reason for check in self.checks if not check.passed]
        if not said and not self.blessed:
            said = ["the Evaluator did not bless the model although every rule holds; its validation result says why"]
        return said

    @property
    def conversion(self) -> Mapping[str, Any]:
        """The report of the last step, `quantize`."""
        return self.reports[-1] if self.reports else {}


def collect(input_dict: Mapping[str, list[Artifact]], names: Sequence[str], rule: gate.GateRule) -> list[Outcome]:
    """The outcomes of all variants, in the order of `names`."""
    return [_outcome(input_dict, name, rule) for name in names]


def _outcome(input_dict: Mapping[str, list[Artifact]], name: str, rule: gate.GateRule) -> Outcome:
    model, evaluation, blessing = (
        fan_in.single(input_dict, fan_in.input_key(kind, name)) for kind in fan_in.VARIANT_INPUTS
    )
    if model is None:
        return Outcome(name, None)
    reports = model_artifact.step_reports(model)
    if evaluation is None or blessing is None:
        return Outcome(name, model, reports)
    result = gate.read_result(evaluation.uri, rule.metric)
    blessed = bool(blessing.get_int_custom_property("blessed"))
    return Outcome(name, model, reports, result, gate.judge(rule, result), blessed)

"""Confusion matrices of the baseline and of every variant, as the gates counted them on the eval split."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tfx.types import Artifact

from components import fan_in
from components.evaluate import tfma_results
from components.evaluate.measures import CONFUSION
from components.evaluate.spec import BASELINE, CANDIDATE
from components.evaluate.tally import MOST_CLASSES
from components.outcomes import Outcome
from compression.outputs import parted

Labels = Sequence[str] | Mapping[str, Sequence[str]] | None

_WHOLE: tuple[()] = ()
"""The key of the slice that holds all examples."""


def collect(
    input_dict: Mapping[str, list[Artifact]], found: Sequence[Outcome], labels: Labels, missing: dict[str, str]
) -> dict[str, Any] | list[dict[str, Any]] | None:
    """`{labels, baseline, variants}`, matrices `[label][answer]`; of several outputs a list with `output` in each.

    Args:
        input_dict: The gates' evaluations among others.
        found: The variants.
        labels: Names of the classes, of several outputs by name; `None`: their numbers.
        missing: Gets a reason where there is no matrix.
    """
    counted = {outcome.name: _read(input_dict, outcome) for outcome in found}
    outputs = list(dict.fromkeys(output for matrices in counted.values() for output, _ in matrices))
    judged = any(outcome.verdict is not None for outcome in found)
    for outcome in found:
        if not counted[outcome.name]:
            reason = f"no output is a choice among at most {MOST_CLASSES} classes"
            missing[f"confusion.{outcome.name}"] = "the gate did not report" if outcome.verdict is None else reason
    if not outputs:
        missing["confusion"] = (
            f"no output is a choice among at most {MOST_CLASSES} classes" if judged else "no gate reported"
        )
        return None
    parts = [_of_output(output, counted, _names(labels, output)) for output in outputs]
    if outputs == [""]:
        return {key: value for key, value in parts[0].items() if key != "output"}
    return parts


def _read(input_dict: Mapping[str, list[Artifact]], outcome: Outcome) -> dict[tuple[str, str], np.ndarray]:
    """Matrices by output and by model, on the whole split."""
    evaluation = fan_in.single(input_dict, fan_in.input_key("evaluation", outcome.name))
    if evaluation is None or outcome.verdict is None:
        return {}
    whole = tfma_results.read(evaluation.uri).get(_WHOLE, {})
    return {
        (parted(name)[0], model): np.asarray(value)
        for model, values in whole.items()
        for name, value in values.items()
        if parted(name)[1] == CONFUSION
    }


def _names(labels: Labels, output: str) -> Sequence[str] | None:
    return labels.get(output) if isinstance(labels, Mapping) else labels


def _of_output(
    output: str, counted: Mapping[str, Mapping[tuple[str, str], np.ndarray]], names: Sequence[str] | None
) -> dict[str, Any]:
    variants = {
        name: matrices[output, CANDIDATE].tolist()
        for name, matrices in counted.items()
        if (output, CANDIDATE) in matrices
    }
    # All gates read the same answers of the baseline.
    baseline = next(matrices[output, BASELINE] for matrices in counted.values() if (output, BASELINE) in matrices)
    classes = len(baseline)
    known = list(names) if names and len(names) == classes else [str(number) for number in range(classes)]
    return {"output": output, "labels": known, "baseline": baseline.tolist(), "variants": variants}

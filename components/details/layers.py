"""The weights of the finished files, layer by layer, and what quantization cost each of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfx.types import Artifact

from components import fan_in, model_artifact
from components.outcomes import Outcome

BASELINE = "baseline"

_ERRORS = ("weights", "output", "before")


def collect(
    input_dict: Mapping[str, list[Artifact]], found: Sequence[Outcome], missing: dict[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """Rows by variant, and of the float32 file under `baseline`; only of files that exist.

    Args:
        input_dict: The model `baseline` among others.
        found: The variants.
        missing: Gets a reason for every file that does not.
    """
    baseline = fan_in.single(input_dict, BASELINE)
    reports = {BASELINE: model_artifact.step_reports(baseline) if baseline else []}
    reports |= {outcome.name: outcome.reports for outcome in found}
    made = {name: _conversion(of_file) for name, of_file in reports.items()}
    missing |= {f"layers.{name}": "there is no file" for name, report in made.items() if not report}
    return {name: rows_of(report) for name, report in made.items() if report}


def _conversion(reports: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The report of `quantize`: of a file behind its transform, the model alone."""
    return next((report for report in reports if report["step"] == "quantize"), {})


def rows_of(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of one file, from the report of its conversion."""
    weights = report["audit"]["weights"]
    measured = report.get("layer_errors", {"weights": [], "reason": "errors were not measured"})
    unknown = {"not_measured": dict.fromkeys(_ERRORS, measured["reason"])}
    errors = measured["weights"] or [unknown] * len(weights)
    return [_row(weight, error) for weight, error in zip(weights, errors, strict=True)]


def _row(weight: Mapping[str, Any], error: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": weight["name"],
        "kernels": ["/".join(kernel) for kernel in weight["kernels"]],
        **{
            key: weight[key]
            for key in ("op", "dtype", "shape", "elements", "size_bytes", "sparsity", "distinct", "entropy_bytes")
        },
        "error": {key: error.get(key) for key in _ERRORS},
        "not_measured": error["not_measured"],
    }

"""Summary: everything a run has to say, from its artifacts alone, so that it exists on a cluster too."""

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import Artifact, BaseChannel, ComponentSpec
from tfx.types.artifact_utils import get_single_instance
from tfx.types.standard_artifacts import Examples, Model, ModelEvaluation, PushedModel

from components import edge_pusher, fan_in, ingest, model_artifact, outcomes
from components.gate import GateRule
from components.selector import read_selection
from compression.settings.metrics import drop

SUMMARY_FILE = "summary.json"
SCHEMA_VERSION = 1
GATE_METHOD = "point estimate: candidate against baseline on the eval split"

_VARIANT_NOT_MEASURED = {
    "drop_ci": "the gate compares point estimates",
    "drop_vs_champion": "the gate compares with the baseline alone",
    "slices": "the gate looks at the whole eval split",
    "latency_ms": "no edge check is part of the pipeline",
    "arena_bytes": "no edge check is part of the pipeline",
    "macs": "no edge check is part of the pipeline",
}
_NOT_MEASURED = {
    "champion": "the gate compares with the baseline alone",
    "baseline.latency_ms": "no edge check is part of the pipeline",
    "started_at": "the runner adds it",
    "nodes": "the runner adds them",
}


class _Executor(BaseExecutor):
    """Writes `summary.json` into the output artifact."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:  # noqa: N802 - TFX's name
        run_id = getattr(self._context, "pipeline_run_id", None)
        rule = GateRule.from_json(exec_properties["rule"])
        summary = compose(input_dict, rule=rule, facts=json.loads(exec_properties["facts"]), run_id=run_id)
        folder = Path(get_single_instance(output_dict["summary"]).uri)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SUMMARY_FILE).write_text(json.dumps(summary, indent=2, allow_nan=False))


def compose(
    input_dict: Mapping[str, list[Artifact]], *, rule: GateRule, facts: Mapping[str, Any], run_id: str | None
) -> dict[str, Any]:
    """The summary of whatever artifacts there are; without any it says that everything failed.

    Args:
        input_dict: Artifacts by input name, as `Summary` declares them; any may be absent.
        rule: The gate's rule.
        facts: `{name, seed, config_sha256, steps: {variant: [..]}}`.
        run_id: Id of the run.
    """
    found = outcomes.collect(input_dict, list(facts["steps"]), rule)
    selected = fan_in.single(input_dict, "selected")
    pushed = fan_in.single(input_dict, "pushed")
    version = edge_pusher.read_pushed(pushed) if pushed else None
    all_failed = all(outcome.status == "failed" for outcome in found)
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "name": facts["name"],
        "started_at": None,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "status": "pushed" if version else "failed" if all_failed else "blocked",
        "exit_code": int(all_failed and not version),
        "spans": [],
        "seed": facts["seed"],
        "config_sha256": facts["config_sha256"],
        "host": host(),
        "n_examples": _n_examples(fan_in.single(input_dict, "examples")),
        "gate_method": GATE_METHOD,
        "baseline": _baseline(fan_in.single(input_dict, "baseline"), found, rule),
        "champion": None,
        "variants": [_variant(outcome, facts["steps"][outcome.name], rule) for outcome in found],
        "selected": read_selection(selected)["selected"] if selected else None,
        "pushed": version,
        "nodes": [],
        "not_measured": dict(_NOT_MEASURED),
    }


def host() -> dict[str, Any]:
    """The machine and the versions that the numbers come from."""
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **edge_pusher.tool_versions(),
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _n_examples(examples: Examples | None) -> dict[str, int] | None:
    return ingest.read_facts(examples.uri).examples if examples else None


def _baseline(model: Model | None, found: list[outcomes.Outcome], rule: GateRule) -> dict[str, Any]:
    """The baseline's value comes from any gate: all of them measured the same model on the same examples."""
    values = [outcome.result.baseline for outcome in found if outcome.result]
    audit = model_artifact.step_reports(model)[-1]["audit"] if model else {}
    return {
        "metric": rule.metric,
        "value": _finite(values[0]) if values else None,
        "size_bytes": audit.get("size_bytes"),
        "gzip_bytes": audit.get("gzip_bytes"),
        "latency_ms": None,
    }


def _variant(outcome: outcomes.Outcome, steps: list[str], rule: GateRule) -> dict[str, Any]:
    result, audit = outcome.result, outcome.conversion.get("audit", {})
    lost = drop(rule.metric, result.baseline, result.candidate) if result else None
    return {
        "name": outcome.name,
        "steps": steps,
        "status": outcome.status,
        "stage": None,
        "metric": rule.metric,
        "value": _finite(result.candidate) if result else None,
        "drop": _finite(lost) if lost is not None else None,
        "drop_ci": None,
        "drop_vs_champion": None,
        "gates": [
            {"rule": check.rule, "passed": check.passed, "threshold": check.threshold, "value": _finite(check.value)}
            for check in outcome.checks
        ],
        "slices": [],
        "size_bytes": audit.get("size_bytes"),
        "gzip_bytes": audit.get("gzip_bytes"),
        "latency_ms": None,
        "arena_bytes": None,
        "macs": None,
        "sparsity": audit.get("sparsity"),
        "distinct_weights": audit.get("distinct_weights"),
        "audit": _audit(outcome) if audit else None,
        "blessed": outcome.blessed,
        "reasons": outcome.reasons,
        "not_measured": _VARIANT_NOT_MEASURED,
    }


def _audit(outcome: outcomes.Outcome) -> dict[str, Any]:
    left_float = [layer for report in outcome.reports for layer in report.get("left_float", [])]
    conversion = outcome.conversion
    return {
        **conversion["audit"],
        "inputs": conversion["inputs"],
        "outputs": conversion["outputs"],
        "left_float": left_float,
        "max_abs_error": _finite(conversion["max_abs_error"]),
        "validation": _finite(conversion["validation"]),
    }


def _finite(value: float | None) -> float | None:
    """JSON knows no NaN; a number that is none was not measured."""
    return value if value is not None and abs(value) < float("inf") else None


class Summary(BaseComponent):
    """The last node. All inputs are optional: a run in which a variant failed has a summary too.

    Args:
        variants: Variant name to its channels.
        inputs: `examples`, `baseline`, `selected` and `pushed`.
        rule: The gate's rule.
        facts: `{name, seed, config_sha256, steps: {variant: [..]}}`.
        code_sha256: Makes a change of code known to the cache.
    """

    SPEC_CLASS = ComponentSpec
    EXECUTOR_SPEC = ExecutorClassSpec(_Executor)

    def __init__(
        self,
        variants: Mapping[str, Mapping[str, BaseChannel]],
        inputs: Mapping[str, BaseChannel],
        *,
        rule: GateRule,
        facts: dict[str, Any],
        code_sha256: str,
    ) -> None:
        types = {"examples": Examples, "baseline": Model, "selected": Model, "pushed": PushedModel}
        super().__init__(
            spec=fan_in.make_spec(
                "SummarySpec",
                variants=variants,
                inputs={key: (types[key], channel) for key, channel in inputs.items()},
                outputs={"summary": ModelEvaluation},
                parameters={
                    "rule": rule.to_json(),
                    "facts": json.dumps(facts),
                    "code_sha256": code_sha256,
                },
            )
        )

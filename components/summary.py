"""Summary: everything a run has to say, from its artifacts alone, so that it exists on a cluster too."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import Artifact, BaseChannel, ComponentSpec
from tfx.types.artifact_utils import get_single_instance
from tfx.types.standard_artifacts import (
    Examples,
    ExampleStatistics,
    InfraBlessing,
    Model,
    ModelEvaluation,
    ModelRun,
    PushedModel,
    TunerResults,
)

from components import (
    edge_check,
    edge_pusher,
    fan_in,
    ingest,
    model_artifact,
    outcomes,
    pareto,
    summary_champion,
    summary_variant,
)
from components.details import compose as details
from components.details.compose import DETAILS_FILE
from components.drift_report import read_drift
from components.search import read_trials
from components.selector import read_selection
from compression.edge import host

SUMMARY_FILE = "summary.json"
REPORT_FILE = "report.html"
SCHEMA_VERSION = 1
_GATE_METHOD = (
    "one-sided bounds of the paired difference, {level:.4g} % sure each: score or exact interval for accuracy, paired "
    "bootstrap for other metrics"
)

_TYPES = {
    "examples": Examples,
    "statistics": ExampleStatistics,
    "drift": ExampleStatistics,
    "edge_baseline": InfraBlessing,
    "training": ModelRun,
    "search": TunerResults,
    "pushed": PushedModel,
}
"""Inputs that are no models."""

_NOT_MEASURED = {
    "started_at": "the runner adds it",
    "nodes": "the runner adds them",
}


class _Executor(BaseExecutor):
    """Writes `summary.json`, `details.json` and the page `report.html` into the output artifact."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:  # noqa: N802 - TFX's name
        run_id = getattr(self._context, "pipeline_run_id", None)
        facts = json.loads(exec_properties["facts"])
        folder = Path(get_single_instance(output_dict["summary"]).uri)
        folder.mkdir(parents=True, exist_ok=True)
        files = {SUMMARY_FILE: compose(input_dict, facts, run_id), DETAILS_FILE: details.compose(input_dict, facts)}
        for name, content in files.items():
            (folder / name).write_text(json.dumps(content, indent=2, allow_nan=False))
        _write_report(folder, *files.values())


def _write_report(folder: Path, summary: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """The page of the run, without seconds, which the runner alone knows; a fault costs the page and not the run."""
    # Imported here: what draws takes a while, and the graph imports this module.
    from report import run_page

    try:
        text = run_page.render(summary, known)
    except Exception:
        logging.exception("the page of the run was not written; summary.json and details.json were")
        return
    (folder / REPORT_FILE).write_text(text)


def compose(input_dict: Mapping[str, list[Artifact]], facts: Mapping[str, Any], run_id: str | None) -> dict[str, Any]:
    """The summary of whatever artifacts there are; without any it says that everything failed.

    Args:
        input_dict: Artifacts by input name, as `Summary` declares them; any may be absent.
        facts: `{name, seed, config_sha256, metric, level, steps: {variant: [..]}, nodes: {variant: {quantize, gate,
            edge}}}`, `search` when there is one, `champion` and `warm_start` when they are asked for, and `details`,
            which `components.details.compose` reads.
        run_id: Id of the run.
    """
    found = outcomes.collect(input_dict, list(facts["steps"]))
    search = fan_in.single(input_dict, "search")
    standing, warm = summary_champion.standing(input_dict), summary_champion.warm_start(input_dict)
    ended = _ended(input_dict)
    all_failed = all(outcome.status == "failed" for outcome in found)
    front = pareto.front(found)
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "name": facts["name"],
        "started_at": None,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "status": "pushed" if ended["pushed"] else "failed" if all_failed else "blocked",
        "exit_code": int(all_failed and not ended["pushed"]),
        **_data(input_dict, facts),
        "seed": facts["seed"],
        "config_sha256": facts["config_sha256"],
        "host": {**host.describe(), **edge_pusher.tool_versions()},
        "gate_method": _GATE_METHOD.format(level=100 * facts["level"]),
        "baseline": _baseline(input_dict, found, facts["metric"]),
        "champion": summary_champion.describe(standing, found, facts["metric"]),
        "warm_start": warm,
        "search": read_trials(search) if search else None,
        "variants": [
            summary_variant.describe(
                outcome,
                facts["steps"][outcome.name],
                facts["nodes"][outcome.name],
                facts["metric"],
                outcome.name in front,
                summary_champion.not_compared(standing, facts, outcome),
            )
            for outcome in found
        ],
        **ended,
        "nodes": [],
        "not_measured": {
            **_NOT_MEASURED,
            **_baseline_not_measured(input_dict),
            **summary_champion.not_measured(standing, warm, facts, found),
            **({} if search else {"search": _no_search(facts)}),
        },
    }


def _plain(facts: Mapping[str, Any]) -> str:
    """Facts as a parameter; `{{` in the user's text would be taken for a placeholder on Kubeflow."""
    return json.dumps(facts).replace("{{", "{\\u007b")


def _ended(input_dict: Mapping[str, list[Artifact]]) -> dict[str, Any]:
    """What was selected and pushed, and why or why not."""
    selected, pushed = fan_in.single(input_dict, "selected"), fan_in.single(input_dict, "pushed")
    selection = read_selection(selected) if selected else {"selected": None, "reason": None}
    push = edge_pusher.read_pushed(pushed) if pushed else {"version": None, "reason": None}
    return {
        "selected": selection["selected"],
        "selection_reason": "; ".join(filter(None, (selection["reason"], push["reason"]))) or None,
        "pushed": push["version"],
    }


def _data(input_dict: Mapping[str, list[Artifact]], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Which data were read, and what was noticed about them."""
    examples = fan_in.single(input_dict, "examples")
    if examples is None:
        return {"spans": [], "data": None, "n_examples": None}
    window = ingest.read_window(examples.uri)
    return {
        "spans": window["spans"],
        "data": {**window["notes"], **_guarded(input_dict, facts)},
        "n_examples": ingest.read_facts(examples.uri).examples,
    }


def _guarded(input_dict: Mapping[str, list[Artifact]], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Where the schema came from, and how far new data are from older ones."""
    drift = fan_in.single(input_dict, "drift")
    report = read_drift(drift.uri) if drift else {"drift": None, "skew": None, "not_measured": {}}
    return {"schema": facts.get("schema"), **report}


def _no_search(facts: Mapping[str, Any]) -> str:
    return "the search did not finish" if facts.get("search") else "the configuration has no model.search"


def _baseline(input_dict: Mapping[str, list[Artifact]], found: list[outcomes.Outcome], metric: str) -> dict[str, Any]:
    """The baseline's value comes from any gate: all of them read the same answers of it."""
    conversion, edge = _baseline_conversion(input_dict), fan_in.single(input_dict, "edge_baseline")
    audit = conversion.get("audit", {})
    report = edge_check.read_report(edge) if edge else None
    values = [outcome.overall.metrics[metric]["baseline"] for outcome in found if outcome.overall]
    return {
        "metric": metric,
        "value": values[0] if values else None,
        "size_bytes": audit.get("size_bytes"),
        "gzip_bytes": audit.get("gzip_bytes"),
        **summary_variant.sizes(conversion),
        "latency_ms": summary_variant.latency(report),
    }


def _baseline_not_measured(input_dict: Mapping[str, list[Artifact]]) -> dict[str, str]:
    missing = summary_variant.sizes_not_measured(_baseline_conversion(input_dict))
    return {f"baseline.{name}": why for name, why in missing.items()}


def _baseline_conversion(input_dict: Mapping[str, list[Artifact]]) -> Mapping[str, Any]:
    """The report of the baseline's conversion; empty when there is none."""
    model = fan_in.single(input_dict, "baseline")
    return model_artifact.conversion(model_artifact.step_reports(model)) if model else {}


class Summary(BaseComponent):
    """The last node. All inputs are optional: a run in which a variant failed has a summary too.

    Args:
        variants: Variant name to its channels.
        inputs: `examples`, `statistics`, `drift`, `float_model`, `training`, `baseline`, `edge_baseline`, `champion`,
            `search`, `selected`, `pushed`, and the model of every step that trains under `fan_in.step_key`.
        facts: See `compose`.
        code_sha256: Makes a change of code known to the cache.
    """

    SPEC_CLASS = ComponentSpec
    EXECUTOR_SPEC = ExecutorClassSpec(_Executor)

    def __init__(
        self,
        variants: Mapping[str, Mapping[str, BaseChannel]],
        inputs: Mapping[str, BaseChannel],
        *,
        facts: dict[str, Any],
        code_sha256: str,
    ) -> None:
        super().__init__(
            spec=fan_in.make_spec(
                "SummarySpec",
                variants=variants,
                inputs={key: (_TYPES.get(key, Model), channel) for key, channel in inputs.items()},
                outputs={"summary": ModelEvaluation},
                parameters={"facts": _plain(facts), "code_sha256": code_sha256},
            )
        )

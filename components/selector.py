"""Selector: one variant among those that passed the gate, or none."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types import BaseChannel, ComponentSpec
from tfx.types.artifact_utils import get_single_instance
from tfx.types.standard_artifacts import Model

from components import edge_check, fan_in, model_artifact, outcomes
from compression.settings.metrics import metric_row, title

SELECTION_FILE = "selection.json"


def choose(passed: Sequence[outcomes.Outcome], select: str, metric: str) -> tuple[str | None, str]:
    """Picks a variant; ties fall to the smaller gzip, then to the smaller file, then to the name.

    `smallest` counts bytes after gzip: zeros and repeats that pruning leaves shrink what is sent and what compressed
    flash holds, while the raw file of a pruned model is as large as that of a dense one.

    Args:
        passed: The variants that passed the gate.
        select: `smallest`, `fastest` (median latency of the edge check), or `most_accurate` on the validation split
            (the eval split belongs to the gate).
        metric: The metric of the gate's first rule.

    Returns:
        The name of the variant, or `None`, and the reason in words.
    """
    if not passed:
        return None, "no variant passed the gate"

    def sizes(outcome: outcomes.Outcome) -> tuple:
        audit = outcome.conversion["audit"]
        return audit["gzip_bytes"], audit["size_bytes"], outcome.name

    if select == "smallest":
        best = min(passed, key=sizes)
        return best.name, f"smallest of {len(passed)} that passed: {sizes(best)[0]:,} bytes after gzip"
    if select == "fastest":
        # A passing edge check has measured the latency.
        best = min(passed, key=lambda outcome: (outcome.edge.latency.p50_ms, sizes(outcome)))
        return best.name, f"fastest of {len(passed)} that passed: {best.edge.latency.p50_ms:.4g} ms (median)"
    sign = -1 if metric_row(metric).higher_is_better else 1
    best = min(passed, key=lambda outcome: (sign * outcome.conversion["validation"], sizes(outcome)))
    value = best.conversion["validation"]
    return best.name, f"best validation {title(metric)} of {len(passed)} that passed: {value:.4g}"


def _gate_numbers(outcome: outcomes.Outcome) -> dict[str, Any]:
    """What the gate measured on the whole eval split, and how sure it is."""
    overall = outcome.overall
    return {"confidence": outcome.verdict.confidence, "examples": overall.examples, "metrics": overall.metrics}


class _Executor(BaseExecutor):
    """Copies the chosen model into the output artifact; says so when there is none."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:  # noqa: N802 - TFX's name
        """Chooses, and copies the chosen model."""
        found = outcomes.collect(input_dict, json.loads(exec_properties["variants"]))
        passed = [outcome for outcome in found if outcome.passed]
        name, reason = choose(passed, exec_properties["select"], exec_properties["metric"])
        selection: dict[str, Any] = {"selected": name, "reason": reason}
        selected = get_single_instance(output_dict["selected"])
        folder = Path(selected.uri)
        folder.mkdir(parents=True, exist_ok=True)
        if name is not None:
            chosen = next(outcome for outcome in passed if outcome.name == name)
            shutil.copytree(chosen.model.uri, folder, dirs_exist_ok=True)
            selection |= {"gate": _gate_numbers(chosen), "edge": chosen.edge.to_dict()}
            selection["champion"] = chosen.verdict.champion
            selection |= {
                "slices": [asdict(part) for part in chosen.verdict.slices[1:]],
                "checks": [asdict(check) for check in chosen.verdict.checks],
            }
            golden = edge_check.golden_path(chosen.edge_blessing)
            shutil.copyfile(golden, folder / edge_check.GOLDEN_FILE)
            selected.set_string_custom_property(model_artifact.VARIANT_PROPERTY, name)
        selected.set_int_custom_property("selected", int(name is not None))
        (folder / SELECTION_FILE).write_text(json.dumps(selection))


class Selector(BaseComponent):
    """Chooses among the variants that passed; its output always exists, `selected` says whether it holds a model."""

    SPEC_CLASS = ComponentSpec
    EXECUTOR_SPEC = ExecutorClassSpec(_Executor)

    def __init__(
        self, variants: Mapping[str, Mapping[str, BaseChannel]], *, metric: str, select: str, code_sha256: str
    ) -> None:
        super().__init__(
            spec=fan_in.make_spec(
                "SelectorSpec",
                variants=variants,
                inputs={},
                outputs={"selected": Model},
                parameters={
                    "variants": json.dumps(list(variants)),
                    "metric": metric,
                    "select": select,
                    "code_sha256": code_sha256,
                },
            )
        )


def read_selection(selected: Model) -> dict[str, Any]:
    """What a selector wrote.

    Returns:
        `{selected, reason}`, and of the selected variant `gate`, `edge` and `champion` numbers, `slices` and `checks`.
    """
    return json.loads((Path(selected.uri) / SELECTION_FILE).read_text())

"""What all tests share: the environment, and facts of real runs for the pages that tell of them."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

# tfmot needs tf_keras behind `tf.keras`; both must be set before the first import of TensorFlow.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_RUNS = Path(__file__).parent / "unit" / "report" / "samples"
_HOSTILE = "</script><img src=x onerror=alert(1)>\"'{{1234567*7}}${1}\u2028<style>*{display:none}</style>"


def _read(name: str) -> tuple[dict, dict]:
    return tuple(json.loads((_RUNS / name / file).read_text()) for file in ("summary.json", "details.json"))


@pytest.fixture(scope="session")
def run_facts() -> Callable[[str], Callable[[], tuple[dict, dict]]]:
    """Kind of a run to what reads its summary and details anew.

    `pushed`; `failed`: every conversion did; `hostile`: every string of data or configuration ends in `hostile_text`.
    """
    return {
        "pushed": lambda: _read("digits"),
        "failed": lambda: _read("all_failed"),
        "hostile": lambda: _make_hostile(*_read("digits")),
    }.__getitem__


@pytest.fixture
def pushed_run(run_facts) -> tuple[dict, dict]:
    """Summary and details of a real run that pushed."""
    return run_facts("pushed")()


@pytest.fixture
def failed_run(run_facts) -> tuple[dict, dict]:
    """Summary and details of a real run in which every conversion failed."""
    return run_facts("failed")()


@pytest.fixture(scope="session")
def hostile_text() -> str:
    """Markup that tries to run."""
    return _HOSTILE


_FREE = {
    "name", "slice", "label", "metric", "op", "dtype", "path", "model", "examples", "float_model", "feature", "against",
    "selection_reason", "cpu", "title", "config", "run_id", "output", "type", "gate_method",
}  # fmt: skip
_FREE_LISTS = {"reasons", "steps", "labels", "kernels", "variants", "repeated_files", "nodes", "float_operators"}


def _hostile(value: object, key: str = "") -> object:
    """The facts with a hostile string behind every string that data or a configuration may choose, keys included."""
    if isinstance(value, dict):
        # Their keys are names of data: details' `layers`, lineage's and confusion's `variants`, distances' `features`.
        named = key in {"layers", "variants", "features", "host"}
        return {
            k + _HOSTILE if named and k != "baseline" else k: _hostile(part, "" if named else k)
            for k, part in value.items()
        }
    if isinstance(value, list):
        return [part + _HOSTILE if isinstance(part, str) and key in _FREE_LISTS else _hostile(part) for part in value]
    return value + _HOSTILE if isinstance(value, str) and key in _FREE else value


def _make_hostile(summary: dict, details: dict) -> tuple[dict, dict]:
    for variant in summary["variants"]:
        part = {"slice": "label=1", "values": {}, "examples": 5, "state": "blocked"}
        numbers = {"candidate": 0.5, "baseline": 0.6, "drop": 0.1, "drop_ci": [0.0, 0.2]}
        variant["slices"] = [{**part, "metrics": {variant["metric"] + _HOSTILE: numbers}}]
        variant["reasons"] = ["`quote` a reason"]
    summary["variants"][0]["status"] = "blocked"
    summary["data"]["repeated_files"] = ["a file"]
    summary["data"]["drift"] = {
        "distance": 0.1, "feature": "f", "features": {"f": 0.1}, "against": "span", "notice": 0.05, "stop": None,
        "noticed": True, "stopped": False,
    }  # fmt: skip
    summary["spans"] = [{"span": 1, "name": "s", "version": None, "files": 1, "examples": {}}]
    summary["selected"] = summary["selected"] + _HOSTILE
    summary["pushed"]["path"] += _HOSTILE
    text = details["statistics"][0]["features"]
    text.append({**text[0], "name": "text", "top": [["value" + _HOSTILE, 3]], "histogram": []})
    details["not_measured"] = {"curves": _HOSTILE}
    for layer in (layer for layers in details["layers"].values() for layer in layers):
        layer["not_measured"] = {"error": "why" + _HOSTILE}
    return _hostile(summary), _hostile(details)

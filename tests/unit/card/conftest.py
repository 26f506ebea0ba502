"""A card's facts, as a run on digits leaves them, small enough to read."""

import copy
from collections.abc import Callable

import pytest

from components.card.contents import Facts
from compression.interface import Interface

NUMBERS = {"candidate": 0.9, "baseline": 0.95, "drop": 0.05, "drop_ci": [0.01, None]}

VALUES = {
    "stated": {"license": "Apache-2.0", "intended_use": "Reads digits.\n\nOf 8x8 pixels.", "owners": ["A <a@b.c>"]},
    "pipeline": {
        "name": "digits",
        "steps": {"small": ["prune 50%", "quantize int8_io"]},
        "label_names": ["zero", "one"],
        "task": "multiclass",
        "seed": 1,
        "config_sha256": "c" * 64,
    },
    "selection": {
        "selected": "small",
        "reason": "smallest of 2 that passed",
        "gate": {"confidence": 0.975, "examples": 540, "metrics": {"accuracy": NUMBERS}},
        "slices": [
            {"slice": "sex=f", "values": {"sex": "f"}, "examples": 40, "state": None, "metrics": {"accuracy": NUMBERS}}
        ],
        "checks": [
            {
                "slice": "",
                "metric": "accuracy",
                "rule": "max_drop",
                "state": "passed",
                "limit": 0.1,
                "value": 0.05,
                "lower": 0.01,
                "upper": 0.09,
                "needed_examples": None,
                "reason": "",
            }
        ],
        "edge": {
            "profile": "cpu",
            "latency": {"p50_ms": 0.5, "p90_ms": 0.75, "p99_ms": None, "invokes": 10},
            "host": {"cpu": "Some CPU", "cores": 2, "kernels": "xnnpack", "load_average_before": 1.5},
            "arena_bytes": 384,
            "arena_source": "planned",
            "macs": 7584,
        },
        "champion": {"version": 3, "metrics": {"accuracy": {"candidate": 0.9, "champion": 0.8, "drop": -0.1}}},
    },
    "conversion": {
        "inputs": [{"name": "image", "shape": [-1, 8, 8, 1], "dtype": "int8", "scale": 0.5, "zero_point": -3}],
        "outputs": [{"name": "digit", "shape": [-1, 10], "dtype": "float32", "scale": 0.0, "zero_point": 0}],
        "audit": {"sparsity": 0.5, "distinct_weights": 17, "operators": {"CONV_2D": 2}, "float_operators": ["SOFTMAX"]},
    },
    "examples": {"train": 1078, "validation": 141, "eval": 540},
    "spans": [{"span": 1, "name": "2026-11-01", "version": None, "files": 1, "examples": {"train": 700, "eval": 300}}],
    "lineage": {"float_model": {"uri": "/somewhere", "sha256": "f" * 64}},
    "tools": {"tfx": "1.21.0"},
    "run_id": "20261125-093743-ea58",
    "file": {"sha256": "a" * 64, "size_bytes": 5800, "gzip_bytes": 2533},
    "interface": Interface(("image",), ("digit",), ("CONV_2D", "SOFTMAX"), ()),
}


@pytest.fixture
def make_facts() -> Callable[..., Facts]:
    """`make_facts(**changes)`: the facts of a run, with other values for some of them."""
    return lambda **changes: Facts(**{**copy.deepcopy(VALUES), **changes})

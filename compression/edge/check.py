"""The edge check: loads a finished model as a device would, measures it, and holds it against budgets."""

import gzip
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from compression.edge import host, runner
from compression.edge.budgets import judge
from compression.edge.devices import DEVICES, Job, Measured
from compression.edge.report import EdgeReport, latency_from_dict
from compression.errors import CompressionError
from compression.settings.edge import EdgeSettings
from compression.settings.profile import Profile

TIME_LIMIT_S = 120.0
LATENCY_SECONDS = 1.5

_STAGE_OF = {
    **dict.fromkeys(
        ("input_dtypes", "output_dtypes", "operators", "unsupported_operators", "macs", "tensor_bytes"), "structure"
    ),
    **dict.fromkeys(("examples", "finite", "deterministic"), "answer"),
    "latency": "latency",
}
"""Field of the report -> stage of the child that measures it."""

_DEVICE_FIELDS = ("device", "arena_bytes", "arena_source", "budget_latency_ms")


def check(
    model: Path,
    samples: Mapping[str, np.ndarray],
    settings: EdgeSettings,
    profile: Profile,
    *,
    time_limit_s: float = TIME_LIMIT_S,
    latency_seconds: float = LATENCY_SECONDS,
) -> EdgeReport:
    """Checks one model; whatever is wrong with it is in the report, also when it crashes or hangs.

    Args:
        model: The TFLite file.
        samples: Real examples as the float model reads them, arrays `[examples, ...]` by name; others than the
            model's inputs are ignored.
        settings: Budgets and threads.
        profile: The kind of device.
        time_limit_s: Seconds that the child process may take; each tool of a device has as long again.
        latency_seconds: Seconds that are spent on timing.

    Raises:
        CompressionError: The file is not there, or there are no examples.
        RuntimeError: The child process cannot start.
    """
    check_samples(samples)
    content = read_model(model)
    request = {
        "kernels": profile.kernels,
        "threads": settings.threads,
        "raw": False,
        "time_limit_s": time_limit_s,
        "latency_seconds": latency_seconds,
    }
    load_before = host.load_average()
    with tempfile.TemporaryDirectory(prefix="edge-check-") as name:
        folder = Path(name)
        runner.write_request(folder, content, samples, request)
        outcome = runner.run_child(folder, "check", time_limit_s)
        measured = Measured(not_measured=dict.fromkeys(_DEVICE_FIELDS, "the model does not run in LiteRT"))
        if outcome.fault is None:
            measured = DEVICES[profile.device](Job(content, folder, profile, outcome.results, time_limit_s))
    facts = {
        **host.describe(),
        "threads": settings.threads,
        "kernels": profile.kernels,
        "load_average_before": load_before,
        "load_average_after": host.load_average(),
    }
    return _report(content, settings, profile, outcome, measured, facts)


def check_samples(samples: Mapping[str, np.ndarray]) -> None:
    """Refuses to check without examples.

    Raises:
        CompressionError: There are none.
    """
    if not samples or min(len(values) for values in samples.values()) == 0:
        found = ", ".join(f"{name}: {len(values)}" for name, values in samples.items()) or "no features"
        raise CompressionError(f"an edge check needs at least one real example, got {found}; pass some of a split")


def read_model(model: Path) -> bytes:
    """The bytes of a model's file.

    Raises:
        CompressionError: It cannot be read.
    """
    try:
        return model.read_bytes()
    except OSError as error:
        raise CompressionError(f"an edge check needs a TFLite file, got {model}: {error}; check the path") from error


def _report(
    content: bytes,
    settings: EdgeSettings,
    profile: Profile,
    outcome: runner.Outcome,
    measured: Measured,
    facts: Mapping[str, Any],
) -> EdgeReport:
    structure = outcome.results.get("structure", {})
    fields: dict[str, Any] = {
        **dict.fromkeys(_STAGE_OF),
        **{name: structure.get(name) for name in ("operators", "macs", "tensor_bytes")},
        **{name: outcome.results.get("answer", {}).get(name) for name in ("examples", "finite", "deterministic")},
        "size_bytes": len(content),
        "gzip_bytes": len(gzip.compress(content, compresslevel=9, mtime=0)),
        "device": measured.facts,
        "arena_bytes": measured.arena_bytes,
        "arena_source": measured.arena_source,
        "budget_latency_ms": measured.latency_ms,
    }
    if structure:
        fields["input_dtypes"] = tuple(structure["input_dtypes"])
        fields["output_dtypes"] = tuple(structure["output_dtypes"])
        fields["unsupported_operators"] = _unsupported(structure, profile)
    if "latency" in outcome.results:
        fields["latency"] = latency_from_dict(outcome.results["latency"])
    not_measured = _not_measured(fields, outcome, measured)
    budgets = judge(settings, fields, not_measured)
    reasons = [
        *([] if outcome.fault is None else [outcome.fault]),
        *measured.faults,
        *_faults(fields, profile),
        *(budget.reason for budget in budgets if not budget.met),
    ]
    return EdgeReport(
        profile=profile.name,
        passed=not reasons,
        reasons=tuple(reasons),
        budgets=budgets,
        not_measured=not_measured,
        host=facts,
        **fields,
    )


def _not_measured(fields: Mapping[str, Any], outcome: runner.Outcome, measured: Measured) -> dict[str, str]:
    """A reason for every field that is `None`."""
    structure = outcome.results.get("structure", {}).get("not_measured", {})
    known = {**structure, **measured.not_measured}
    reasons = {}
    for name, value in fields.items():
        if value is None:
            stage = _STAGE_OF.get(name)
            reasons[name] = known.get(name) or f"the model failed in or before the stage {stage!r}"
    latency = fields["latency"]
    if latency is not None and latency.p99_ms is None:
        reasons["latency.p99_ms"] = f"needs 100 invokes, the time was enough for {latency.invokes}"
    return reasons


def _unsupported(structure: Mapping[str, Any], profile: Profile) -> tuple[str, ...]:
    custom = set(structure["custom_operators"])
    builtin = set(structure["operators"]) - custom
    missing = custom - set(profile.custom_operators or ())
    if profile.operators is not None:
        missing |= builtin - set(profile.operators)
    return tuple(sorted(missing))


def _faults(fields: Mapping[str, Any], profile: Profile) -> list[str]:
    """What the profile demands and the model does not keep."""
    faults = []
    if fields["unsupported_operators"]:
        names = ", ".join(fields["unsupported_operators"])
        faults.append(f"every operator must be one of profile {profile.name}, got {names}; replace those layers")
    for kind, allowed in (("input", profile.input_dtypes), ("output", profile.output_dtypes)):
        given = fields[f"{kind}_dtypes"]
        if allowed and given and not set(given) <= set(allowed):
            faults.append(
                f"every {kind} must be {' or '.join(allowed)} with profile {profile.name}, got {', '.join(given)}; "
                "quantize with mode int8_io"
            )
    if fields["finite"] is False:
        faults.append("answers to real examples must be finite numbers, got NaN or infinity; train or convert again")
    if fields["deterministic"] is False:
        faults.append(
            "the same example must get the same answer, got different bytes when asked again; the model keeps state "
            "between invocations or its file is damaged"
        )
    return faults

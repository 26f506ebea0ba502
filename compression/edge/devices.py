"""What the tool of each kind of device measures: memory and time that are the device's and not this host's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compression.edge import runner, tflite_micro, vela
from compression.edge.host import installed_version
from compression.settings.profile import Profile

INSTALL = "install it with `make setup EXTRAS=devices`"

_LARGEST_DIFFERENCE = 0.1
"""Share of the answers' span. Kernels round differently, by a few steps of 255; wrong ones are off by far more."""

_PLAN = (
    "planned from the file's shapes: activations that never live together share their place, as in TFLite; without "
    "the kernels' own workspace and the interpreter's structures"
)


@dataclass(frozen=True)
class Measured:
    """What a tool said.

    Attributes:
        facts: Its own report, `None` without one.
        arena_bytes: Memory for activations.
        arena_source: What that number is.
        latency_ms: Time for one example on the device.
        faults: Why the device cannot run the model, in words.
        not_measured: Field of the report -> why the tool gave no number.
    """

    facts: Mapping[str, Any] | None = None
    arena_bytes: int | None = None
    arena_source: str | None = None
    latency_ms: float | None = None
    faults: tuple[str, ...] = ()
    not_measured: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A model that ran in LiteRT.

    Attributes:
        model: The flatbuffer.
        folder: The child's folder, with LiteRT's answers.
        profile: The profile.
        results: What the child reported, by stage.
        time_limit_s: Wall-clock limit for a tool, in seconds.
    """

    model: bytes
    folder: Path
    profile: Profile
    results: Mapping[str, Mapping[str, Any]]
    time_limit_s: float


def _litert(job: Job) -> Measured:
    missing = {"device": f"profile {job.profile.name} has no tool beside LiteRT"}
    structure = job.results["structure"]
    planned = structure.get("arena_bytes")
    if planned is None:
        missing["arena_bytes"] = missing["arena_source"] = structure["not_measured"]["arena_bytes"]
    return Measured(
        arena_bytes=planned,
        arena_source=None if planned is None else _PLAN,
        latency_ms=job.results["latency"]["p90_ms"],
        not_measured=missing,
    )


def _tflite_micro(job: Job) -> Measured:
    missing = {
        "budget_latency_ms": "no tool on this host can time a microcontroller; measure on the board, and leave "
        "max_latency_ms out"
    }
    if not tflite_micro.installed():
        return _absent("the package tflite-micro", missing)
    outcome = runner.run_child(job.folder, "tflite_micro", job.time_limit_s)
    if outcome.fault is not None:
        why = "the model did not run in TensorFlow Lite Micro"
        missing |= dict.fromkeys(("arena_bytes", "arena_source", "device"), why)
        return Measured(faults=(outcome.fault,), not_measured=missing)
    facts = {"tool": "tflite-micro", **outcome.results["tflite_micro"]}
    faults = []
    if not facts["finite"]:
        faults.append("answers must be finite numbers, got NaN or infinity in TensorFlow Lite Micro")
    elif facts["max_difference"] > _LARGEST_DIFFERENCE:
        faults.append(
            f"TensorFlow Lite Micro must answer like LiteRT within {_LARGEST_DIFFERENCE:.0%} of the answers' span, "
            f"got a difference of {facts['max_difference']:.0%}; its kernels compute something else"
        )
    return Measured(
        facts=facts,
        arena_bytes=facts["arena_bytes"],
        arena_source=f"the arena in use in tflite-micro {facts['version']} on this host, with its structures",
        faults=tuple(faults),
        not_measured=missing,
    )


def _vela(job: Job) -> Measured:
    assert job.profile.vela is not None  # the profile's own check
    if vela.command() is None:
        return _absent("Arm's vela (package ethos-u-vela)", {}, "budget_latency_ms")
    folder = job.folder / "vela"
    folder.mkdir()
    try:
        facts = vela.compile_model(job.model, job.profile.vela, folder, job.time_limit_s)
    except vela.VelaFailed as fault:
        fields = ("arena_bytes", "arena_source", "device", "budget_latency_ms")
        return Measured(faults=(str(fault),), not_measured=dict.fromkeys(fields, "vela did not compile the model"))
    reported = {"tool": "ethos-u-vela", **facts}
    if facts["cpu_operators"]:
        # Vela counts nothing for them: a model that falls back as a whole would need 0 ms and 0 bytes.
        names = ", ".join(facts["cpu_operators"])
        why = f"vela counts the NPU's part alone, but {names} fall back to the CPU; replace those layers"
        return Measured(
            facts=reported, not_measured=dict.fromkeys(("arena_bytes", "arena_source", "budget_latency_ms"), why)
        )
    return Measured(
        facts=reported,
        arena_bytes=facts["sram_bytes"],
        arena_source=f"SRAM on the NPU's side, estimated by ethos-u-vela {installed_version('ethos-u-vela')}",
        latency_ms=facts["inference_ms"],
    )


def _absent(what: str, missing: Mapping[str, str], *more: str) -> Measured:
    fields = ("device", "arena_bytes", "arena_source", *more)
    return Measured(not_measured={**missing, **dict.fromkeys(fields, f"{what} is absent; {INSTALL}")})


DEVICES: dict[str, Callable[[Job], Measured]] = {"litert": _litert, "tflite_micro": _tflite_micro, "vela": _vela}
"""`Profile.device` -> what measures it."""

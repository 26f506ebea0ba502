"""A model compiled by Arm's Vela (package `ethos-u-vela`) for an Ethos-U: memory, cycles, what falls back to the CPU.

The numbers are the compiler's estimates, not silicon's.
"""

import csv
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from compression.edge import runner
from compression.edge.graph import read_graph
from compression.edge.host import installed_version
from compression.settings.profile import VelaSettings

_NPU_OPERATOR = "ethos-u"
_KIB = 1024


class VelaFailed(ValueError):
    """Vela refused the model; the message holds its own words."""


def command() -> list[str] | None:
    """How Vela is called here; `None` when it is absent."""
    if importlib.util.find_spec("ethosu") is not None and importlib.util.find_spec("ethosu.vela") is not None:
        return [sys.executable, "-m", "ethosu.vela"]
    found = runner.program("vela")
    return None if found is None else [found]


def compile_model(model: bytes, settings: VelaSettings, folder: Path, time_limit_s: float) -> dict[str, Any]:
    """Compiles a model.

    Args:
        model: The flatbuffer.
        settings: What to compile for.
        folder: An empty folder to work in.
        time_limit_s: Wall-clock limit in seconds.

    Returns:
        `flash_bytes`, `sram_bytes` (and `dram_bytes`, for the memory modes that use it), `cycles`, `inference_ms`, all
        of the NPU's part alone; `npu_operators` (stretches of the graph that the NPU took) and `cpu_operators` (how
        often each operator is left to the CPU); `accelerator`, `system_config`, `memory_mode`, `clock_hz`, `version`.

    Raises:
        VelaFailed: It is absent, does not take the model, or does not end.
    """
    called = command()
    if called is None:
        raise VelaFailed("vela must be installed, but is absent; install it with `make setup EXTRAS=devices`")
    path = folder / "model.tflite"
    path.write_bytes(model)
    options = ["--accelerator-config", settings.accelerator, "--system-config", settings.system_config]
    options += ["--memory-mode", settings.memory_mode, "--optimise", settings.optimise, "--output-dir", str(folder)]
    ended = runner.run_limited([*called, str(path), *options], time_limit_s, os.environ, folder)
    summary = next(iter(sorted(folder.glob("*_summary_*.csv"))), None)
    # Vela ends with status 0 also when it could not load the model; only the files tell.
    if ended.timed_out or ended.status or summary is None:
        raise VelaFailed(_why(ended, time_limit_s))
    with summary.open(newline="") as file:
        row = next(csv.DictReader(file))
    return {**_figures(row), **_division(folder / "model_vela.tflite"), "version": installed_version("ethos-u-vela")}


def _figures(row: dict[str, str]) -> dict[str, Any]:
    flash = float(row["off_chip_flash_memory_used"]) + float(row["on_chip_flash_memory_used"])
    return {
        "flash_bytes": round(flash * _KIB),
        "sram_bytes": round(float(row["sram_memory_used"]) * _KIB),
        "dram_bytes": round(float(row["dram_memory_used"]) * _KIB),
        "cycles": round(float(row["cycles_total"])),
        "inference_ms": float(row["inference_time"]) * 1e3,
        "clock_hz": round(float(row["core_clock"])),
        "accelerator": row["accelerator_configuration"],
        "system_config": row["system_config"],
        "memory_mode": row["memory_mode"],
    }


def _division(compiled: Path) -> dict[str, Any]:
    """The compiled file holds one custom operator for each stretch that the NPU took, and the rest as it was."""
    counts = dict(read_graph(compiled.read_bytes()).operator_counts)
    return {"npu_operators": counts.pop(_NPU_OPERATOR, 0), "cpu_operators": counts}


def _why(ended: runner.Ended, time_limit_s: float) -> str:
    if ended.timed_out:
        return f"vela must compile the model, but it was not done after {time_limit_s:g} s"
    lines = [line for line in ended.output.splitlines() if line.strip() and not line.startswith("Warning:")]
    said = "; ".join(lines[-2:])[:1000] or "nothing"
    return f"vela must compile the model, but it ended with status {ended.status} and said: {said}"

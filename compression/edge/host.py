"""The machine that measures, for reports and cache keys."""

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any


def cpu_name() -> str:
    """The processor as the kernel names it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def describe() -> dict[str, Any]:
    """Processor, cores, system, versions of LiteRT and Python."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "system": platform.system(),
        "litert": metadata.version("ai-edge-litert"),
        "python": platform.python_version(),
    }


def load_average() -> float | None:
    """Processes that wanted to run in the last minute, on average; `None` where the system does not say."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def host_key(threads: int) -> str:
    """What a measurement depends on beside the model: goes into the cache key of the edge check.

    The tools of the profiles count too: installing one turns "not measured" into a number.
    """
    facts = describe()
    tools = [f"{package} {installed_version(package) or 'absent'}" for package in ("tflite-micro", "ethos-u-vela")]
    return " | ".join(
        [facts["cpu"], f"{facts['cores']} cores", f"litert {facts['litert']}", f"{threads} threads", *tools]
    )


def installed_version(package: str) -> str | None:
    """The version of an optional package, `None` when it is absent."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None

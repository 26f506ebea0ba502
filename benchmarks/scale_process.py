"""What a process costs, as the system accounts for it; needs no TensorFlow, so that this process stays small."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """One process and those that it started and waited for.

    Attributes:
        wall_s: From its start to its end, start-up included.
        cpu_s: Of the processor, user and system.
        peak_mb: Largest resident memory of any one of these processes, in MiB.
        written_mb: What it gave the file system to write, in MiB.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    written_mb: float


def cost_of(command: Sequence[str], log: Path) -> Cost:
    """Runs a command to its end.

    Args:
        command: Arguments for this Python.
        log: What it says is added here.

    Raises:
        SystemExit: It failed.
    """
    begin = time.monotonic()
    with log.open("a") as stream:
        child = subprocess.Popen([sys.executable, *command], stdout=stream, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - begin
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} must end with 0, but ended with {child.returncode}; see {log}")
    in_a_mib = 2**20 if sys.platform == "darwin" else 2**10
    # Linux counts blocks of 512 bytes as pages become dirty, whenever they reach the disk.
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / in_a_mib, used.ru_oublock * 512 / 2**20)

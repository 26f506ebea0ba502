"""Who does something, as a file can say it, and whether that process still lives."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_START_FIELD = 19
"""Of /proc/PID/stat, counted after the name, which may hold spaces."""


def this_process() -> dict[str, Any]:
    """`{pid, host, started}` of this process; `started` is None where the system does not tell."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "started": _started(os.getpid())}


def lives(process: Mapping[str, Any]) -> bool:
    """Whether a process goes on; one on another host may, because nothing is to be known from here.

    Args:
        process: As from `this_process`; without `started`, another process of the same number counts too.
    """
    if process.get("host") != socket.gethostname():
        return True
    try:
        pid = int(process["pid"])
        os.kill(pid, 0)
    except PermissionError:
        pass
    except (OSError, OverflowError, KeyError, TypeError, ValueError):
        return False
    started = process.get("started")
    return started is None or started == _started(pid)


def _started(pid: int) -> int | None:
    """When a process began, in ticks since the host did: numbers of processes are given again."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_START_FIELD])
    except (OSError, ValueError, IndexError):
        return None

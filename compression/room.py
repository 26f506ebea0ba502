"""How much memory and disk there is for examples, inside of a container too."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUPS = Path("/proc/self/cgroup")
_CGROUP_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Room:
    """What there is for examples.

    Attributes:
        memory_bytes: Memory that is available, no more than what the limits of the container leave.
        disk_bytes: Free disk where temporary folders are made.
    """

    memory_bytes: int
    disk_bytes: int

    @classmethod
    def here(cls, folder: str) -> "Room":
        """What there is now, on this machine and in this container.

        Args:
            folder: Where temporary folders are made.
        """
        return cls(min([_host_bytes(_MEMINFO), *cgroup_bytes(_CGROUPS, _CGROUP_ROOT)]), shutil.disk_usage(folder).free)


def _host_bytes(meminfo: Path) -> int:
    if meminfo.is_file():
        rows = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        if "MemAvailable" in rows:
            return 1024 * int(rows["MemAvailable"].split()[0])
    # Other systems tell no more than what is built in; the rest of the machine needs its half.
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def cgroup_bytes(membership: Path, root: Path) -> list[int]:
    """What each limit on the memory of this process leaves, in both versions of control groups; empty without limits.

    Args:
        membership: The file `/proc/self/cgroup`.
        root: Where control groups are mounted.
    """
    left = []
    for line in membership.read_text().splitlines() if membership.is_file() else ():
        _, controllers, group = line.split(":", 2)
        if not controllers:
            names, base = ("memory.max", "memory.current"), root
        elif "memory" in controllers.split(","):
            names, base = ("memory.limit_in_bytes", "memory.usage_in_bytes"), root / "memory"
        else:
            continue
        inner = base / group.lstrip("/")
        # A limit of any group above holds as well; inside of a container its own group is often mounted as the root.
        for folder in (inner, *inner.parents):
            left += _left(folder, *names)
            if folder == base:
                break
    return left


def _left(folder: Path, limit_name: str, used_name: str) -> list[int]:
    try:
        limit, used = (folder / limit_name).read_text().strip(), int((folder / used_name).read_text())
        kept = (folder / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):
        return []
    # What the kernel keeps of files is counted as used, and given up when memory is needed.
    given_up = sum(int(row.split()[1]) for row in kept if row.split()[0] in ("inactive_file", "total_inactive_file"))
    return [] if limit == "max" else [max(0, int(limit) - used + given_up)]

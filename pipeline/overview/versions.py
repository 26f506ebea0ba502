"""What the registry of a workspace holds, and what was done to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from registry import Registry, RegistryError


@dataclass
class Versions:
    """A registry at one moment.

    Attributes:
        current: Number of the current version; None without one.
        rows: Versions, newest first.
        events: What was done, newest first.
        notes: What could not be read.
    """

    current: int | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_versions(registry: Registry) -> Versions:
    """Reads what is there; what is damaged is passed over with a note.

    Args:
        registry: The registry; it need not exist.
    """
    found = Versions()
    withdrawn: Mapping[str, int] = {}
    try:
        pointer = registry.pointer()
        found.current, withdrawn = pointer.version, pointer.withdrawn
    except RegistryError as error:
        found.notes.append(str(error))
    try:
        numbers = registry.numbers()
    except RegistryError as error:
        return Versions(notes=[str(error)])
    for number in reversed(numbers):
        try:
            version = registry.version(number)
            found.rows.append(
                _row(version.manifest) | {"current": number == found.current, "withdrawn": version.sha256 in withdrawn}
            )
        except RegistryError as error:
            found.notes.append(str(error))
        except (KeyError, TypeError, ValueError, AttributeError):
            found.notes.append(f"the manifest of version {number} is not as this release writes it")
    try:
        found.events = [event.to_dict() for event in reversed(registry.history())]
    except RegistryError as error:
        found.notes.append(str(error))
    return found


def _row(manifest: Mapping[str, Any]) -> dict[str, Any]:
    measured = (manifest.get("gate") or {}).get("metrics") or {}
    metric = next(iter(measured), None)
    numbers = measured.get(metric) or {}
    return {
        "version": int(manifest["version"]),
        "pushed_at": manifest.get("pushed_at"),
        "run_id": manifest.get("run_id"),
        "variant": manifest.get("variant"),
        "metric": metric,
        "value": numbers.get("candidate"),
        "drop": numbers.get("drop"),
        "drop_ci": numbers.get("drop_ci"),
        "size_bytes": manifest.get("size_bytes"),
        "gzip_bytes": manifest.get("gzip_bytes"),
        "latency_ms": ((manifest.get("edge") or {}).get("latency") or {}).get("p50_ms"),
    }

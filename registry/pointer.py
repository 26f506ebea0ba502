"""`current.json`: the current version, and the last thing that was done to the registry.

The pointer carries the event that it was written with, so that what happened and what is current cannot disagree.
Events are then kept one file each; one that a killed writer did not keep is kept by the next.
"""

import getpass
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from registry.errors import RegistryError

Action = Literal["push", "rollback", "promote", "gc"]


@dataclass(frozen=True)
class Event:
    """Something that was done to a registry.

    Attributes:
        number: Counts all events of a registry from 1 on; the order does not depend on clocks.
        action: What was done.
        before: The version that was current before; `None` for none.
        after: The version that is current since.
        removed: Versions that were removed.
        why: The reason, in the words of who did it.
        who: User and host.
        when: In UTC, by that host's clock.
        run_id: The run that pushed; `None` when it was done by hand.
    """

    number: int
    action: Action
    before: int | None
    after: int | None
    removed: tuple[int, ...] = ()
    why: str = ""
    who: str = ""
    when: str = ""
    run_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"removed": list(self.removed)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> "Event":
        """The inverse of `to_dict`."""
        return cls(**{**value, "removed": tuple(value.get("removed", ()))})


@dataclass(frozen=True)
class Pointer:
    """What `current.json` holds.

    Attributes:
        version: Number of the current version; `None` before the first push.
        sha256: Of its model.
        highest_version: The highest number ever given, that of removed versions included.
        withdrawn: Hashes of models that somebody rolled back from; a push does not make them current again.
        event: The last event; `None` in pointers of older registries.
    """

    version: int | None = None
    sha256: str = ""
    highest_version: int = 0
    withdrawn: tuple[str, ...] = ()
    event: Event | None = None

    def withdrawing(self, models: Collection[str]) -> "Pointer":
        """The same pointer with these models withdrawn."""
        return replace(self, withdrawn=tuple(sorted(models)))

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "version": self.version,
            "sha256": self.sha256,
            "highest_version": self.highest_version,
            "withdrawn": list(self.withdrawn),
            "event": self.event and self.event.to_dict(),
            "updated_at": now(),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any], place: str) -> "Pointer":
        """The inverse of `to_dict`.

        Raises:
            RegistryError: A value is missing or of the wrong type.
        """
        for key, kind in (("version", int), ("sha256", str), ("highest_version", int)):
            if type(value.get(key)) is not kind:
                raise RegistryError(
                    f"{place} must hold {key} as {kind.__name__}; it holds {value.get(key)!r}. "
                    "Remove the file: the next push writes it anew."
                )
        try:
            event = Event.from_dict(value["event"]) if value.get("event") else None
            return cls(
                value["version"],
                value["sha256"],
                value["highest_version"],
                tuple(map(str, value.get("withdrawn", ()))),
                event,
            )
        except (TypeError, AttributeError) as error:
            raise RegistryError(
                f"{place} must hold an event as the registry writes it; it holds {value.get('event')!r}. "
                "Remove the file: the next push writes it anew."
            ) from error


def previous(events: Sequence[Event], existing: Sequence[int]) -> int | None:
    """The version that was current before the current one, among those that still exist.

    A rollback takes back what came after the version that it goes to, so that two in a row go back two versions.
    """
    way: list[int] = []
    for event in events:
        if event.action == "rollback" and event.after in way:
            del way[way.index(event.after) + 1 :]
        elif event.after is not None and (not way or way[-1] != event.after):
            way.append(event.after)
    current = way[-1] if way else None
    return next((number for number in reversed(way[:-1]) if number in existing and number != current), None)


def now() -> str:
    """The time in UTC, ISO 8601, in seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def who() -> str:
    """User and host of this process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = "unknown"
    return f"{user}@{socket.gethostname()}"

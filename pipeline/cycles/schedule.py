"""When a watcher looks: after a pause, or at the times of a cron expression, whatever the clock does meanwhile."""

import os
import select
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim

_SLICE_SECONDS = 30.0
"""The clock on the wall is looked at so often: it may be set while we wait."""

_BACKWARDS_SECONDS = 1.0


class Clock(Protocol):
    """Time, and the means to wait for it."""

    def now(self) -> datetime:
        """The clock on the wall, in UTC."""

    def monotonic(self) -> float:
        """Seconds that only go forward."""

    def wait(self, seconds: float) -> bool:
        """Waits; whether it was woken before the time was over."""

    def wake(self) -> None:
        """Ends a wait, from a signal handler or another thread."""


class SystemClock:
    """The clocks of this machine.

    A wake-up is a byte in a pipe: unlike a lock it can be set from a signal handler at any moment, and one that comes
    between two waits ends the next.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        for end in (self._reader, self._writer):
            os.set_blocking(end, False)

    def now(self) -> datetime:
        """The clock on the wall, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        return time.monotonic()

    def wait(self, seconds: float) -> bool:
        """Waits; whether it was woken before the time was over."""
        ready, _, _ = select.select([self._reader], [], [], max(0.0, seconds))
        while ready:
            try:
                os.read(self._reader, 4096)
            except BlockingIOError:
                break
        return bool(ready)

    def wake(self) -> None:
        """Ends a wait."""
        with suppress(BlockingIOError):  # full of wake-ups already
            os.write(self._writer, b"!")


class Schedule:
    """The times of a cron expression, each of them once.

    Args:
        expression: Five fields.
        zone: Name of the time zone that they are in. When clocks change, a time that does not exist comes at the end of
            the gap, and one that exists twice comes once (as Debian's cron does).
        clock: Tells the time.
    """

    def __init__(self, expression: str, zone: str, clock: Clock) -> None:
        self._expression = expression
        self._zone = ZoneInfo(zone)
        self._clock = clock
        self._seen = clock.now()
        # Minutes that fired: a clock that is set back must not fire them again.
        self._fired: deque[datetime] = deque(maxlen=10_000)
        self.next = self._after(self._seen)

    def is_due(self) -> bool:
        """Whether a time has come since it was last asked; several that were missed count as one."""
        now = self._clock.now()
        if (self._seen - now).total_seconds() > _BACKWARDS_SECONDS:
            # Set back: what was to come may be far away now.
            self.next = self._after(now)
        self._seen = now
        if now < self.next:
            return False
        self._fired.append(self.next)
        self.next = self._after(now)
        return True

    def _after(self, moment: datetime) -> datetime:
        for local in CronSim(self._expression, moment.astimezone(self._zone)):
            time_ = local.astimezone(UTC)
            if time_ not in self._fired:
                return time_
        raise AssertionError("a cron expression without a next time is refused when the configuration is read")


def pause(clock: Clock, seconds: float) -> bool:
    """Waits in slices by the monotonic clock; whether it was woken."""
    end = clock.monotonic() + seconds
    while (left := end - clock.monotonic()) > 0:
        if clock.wait(min(left, _SLICE_SECONDS)):
            return True
    return False

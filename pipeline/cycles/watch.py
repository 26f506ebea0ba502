"""`cycle --watch`: looks for something new again and again, and runs one cycle at a time until it is told to stop."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from pipeline.config import Config, load
from pipeline.console import Console
from pipeline.cycles import child, once, owner
from pipeline.cycles.file_events import watched_files
from pipeline.cycles.schedule import Clock, Schedule, pause
from pipeline.cycles.watch_state import WatchState, opened
from pipeline.errors import EdgeError
from pipeline.workspace import Workspace

_LONGEST_BACKOFF_SECONDS = 3600.0
_BEAT_SECONDS = 15.0


class TooManyFailures(EdgeError):
    """So many cycles in a row failed that somebody should look."""


@dataclass(frozen=True)
class Source:
    """Where the configuration comes from; it is read anew before every look.

    Attributes:
        path: The file.
        workspace: What `--workspace` said.
    """

    path: Path
    workspace: Path | None

    def load(self) -> Config:
        """The configuration as it is now."""
        return load(self.path, {} if self.workspace is None else {"runtime.workspace": str(self.workspace)})

    @property
    def arguments(self) -> list[str]:
        """What a child needs to read the same."""
        return [str(self.path), *(["--workspace", str(self.workspace)] if self.workspace else [])]


def watch(source: Source, console: Console, clock: Clock) -> int:
    """Watches until SIGTERM or SIGINT.

    Args:
        source: Where the configuration comes from.
        console: For people, or silent.
        clock: Tells the time and waits.

    Returns:
        128 plus the signal's number.

    Raises:
        WorkspaceInUse: Another watcher is at work.
        UserError: The configuration is wrong or the workspace cannot be written, at the start.
        TooManyFailures: `cycle.max_failures` cycles in a row failed.
    """
    config = source.load()
    root = Workspace(config.workspace).root
    with owner.held(root, "watch", "watch for new data") as dead:
        if dead is not None:
            console.warn(f"the lock of the watcher was held by {dead}, which is dead: it is taken over")
        try:
            with opened(root) as state, watched_files(config, clock, console.warn):
                return _Watcher(source, config, console, clock, state).run()
        except OSError as error:
            raise owner.unwritable(root, error) from error


class _Watcher:
    def __init__(self, source: Source, config: Config, console: Console, clock: Clock, state: WatchState) -> None:
        self._source = source
        self._config = config
        self._console = console
        self._clock = clock
        self._state = state
        self._signal: int | None = None
        self._failures = 0
        self._beaten = clock.monotonic()
        settings = config.cycle
        self._schedule = Schedule(settings.schedule, settings.time_zone, clock) if settings.schedule else None

    def run(self) -> int:
        """Looks and runs, until it is told to stop or too much failed."""
        with self._signals():
            self._state.log("started", config=str(self._source.path))
            self._console.say(f"watching {self._config.data.path}; {self._when()}")
            try:
                while self._signal is None:
                    # A cycle that failed is tried again after its pause, not at the next time of the schedule.
                    if self._schedule is None or self._failures or self._schedule.is_due():
                        self._turn()
                    self._wait()
            finally:
                self._state.log("stopped", signal=self._signal and signal.Signals(self._signal).name)
                self._state.tell("stopped")
        assert self._signal is not None
        return 128 + self._signal

    def _turn(self) -> None:
        """One look, and one cycle when there is something new."""
        ended = self._look_and_run()
        if ended is None or (not ended.failed and ended.code == 0):
            self._failures = 0
            return
        if self._signal is not None or not ended.failed:
            return
        self._failures += 1
        self._state.log("failed", failures=self._failures, error=ended.error)
        self._console.warn(f"the cycle failed ({self._failures} in a row): {ended.error}")
        if self._failures >= self._config.cycle.max_failures:
            raise TooManyFailures(
                f"at most {self._config.cycle.max_failures} cycles in a row may fail (cycle.max_failures), and so many "
                f"did; the last because: {ended.error}; see {self._config.workspace / 'cycle.log'}"
            )
        self._back_off()

    def _look_and_run(self) -> child.ChildEnd | None:
        """How the cycle ended; None when there was nothing new."""
        try:
            self._config = self._source.load()
            records = once.records_of(self._config).all()
            decision, _ = once.look(self._config, records, forced=False)
            if not decision.runs:
                once.note_check(self._config, decision)
                return None
        except (EdgeError, OSError) as error:
            return child.ChildEnd(getattr(error, "exit_code", 1), None, str(error))
        self._state.log("cycle", reasons=list(decision.reasons))
        self._console.say(f"{self._clock.now():%Y-%m-%d %H:%M:%S} cycle: {'; '.join(decision.reasons)}")
        self._state.tell("running", reasons=list(decision.reasons))
        command, stop_seconds = child.cycle_command(self._source.arguments), self._config.cycle.stop_seconds
        ended = child.run_child(command, stop_seconds, lambda: self._signal is not None, self._beat)
        self._state.log("cycle_ended", exit_code=ended.code, cycle=ended.cycle, error=ended.error)
        self._state.tell("waiting", last_cycle=_gist(ended), reasons=None)
        return ended

    def _back_off(self) -> None:
        seconds = min(self._config.cycle.backoff_seconds * 2 ** (self._failures - 1), _LONGEST_BACKOFF_SECONDS)
        self._state.tell("backoff", failures=self._failures, next_at=self._in(seconds))
        end = self._clock.monotonic() + seconds
        # New files wake it, which does not make a failure pass: only a signal ends the pause.
        while self._signal is None and (left := end - self._clock.monotonic()) > 0:
            pause(self._clock, min(left, _BEAT_SECONDS))
            self._beat()

    def _beat(self) -> None:
        """Tells now and then that the watcher lives."""
        if self._clock.monotonic() - self._beaten >= _BEAT_SECONDS:
            self._beaten = self._clock.monotonic()
            self._state.beat()

    def _wait(self) -> None:
        if self._signal is not None:
            return
        if self._schedule is None:
            seconds = self._config.cycle.poll_seconds
            self._state.tell("waiting", failures=self._failures, next_at=self._in(seconds))
            pause(self._clock, seconds)
            return
        self._state.tell("waiting", failures=self._failures, next_at=self._schedule.next.isoformat(timespec="seconds"))
        self._clock.wait(min(30.0, max(0.05, (self._schedule.next - self._clock.now()).total_seconds())))

    def _in(self, seconds: float) -> str:
        return (self._clock.now() + timedelta(seconds=seconds)).isoformat(timespec="seconds")

    def _when(self) -> str:
        if self._schedule is None:
            return f"looking every {self._config.cycle.poll_seconds:g} s"
        return f"looking next at {self._schedule.next.isoformat(timespec='minutes')}"

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(signum: int, frame: FrameType | None) -> None:
            del frame
            self._signal = self._signal or signum
            self._clock.wake()

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _gist(ended: child.ChildEnd) -> dict[str, Any] | None:
    """What the health file keeps of a cycle."""
    if ended.cycle is None:
        return None
    names: Sequence[str] = ("number", "status", "ended_at", "pushed_version", "error")
    return {name: ended.cycle.get(name) for name in names}

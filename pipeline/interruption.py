"""SIGINT and SIGTERM end a run promptly and in good order."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_SECONDS = 2.0


class Interrupted(BaseException):
    """SIGINT or SIGTERM; no `Exception`, so that no component's error handling swallows it.

    Attributes:
        exit_code: 128 + the signal's number.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.exit_code = 128 + signum


class Signals:
    """Raises `Interrupted` from the first signal on, until `settle` is called; a second signal kills."""

    def __init__(self) -> None:
        self._received: int | None = None
        self._settled = False

    def check(self) -> None:
        """Raises when a signal came that somebody swallowed: Beam hands every exception on as its own RuntimeError."""
        if self._received is not None and not self._settled:
            raise Interrupted(self._received)

    def settle(self) -> None:
        """The interruption was taken note of: nothing more is raised."""
        self._settled = True

    def on_signal(self, signum: int, frame: FrameType | None) -> None:
        """Handler of SIGINT and SIGTERM."""
        del frame
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        self._received = signum
        # What is raised inside of a destructor or a callback from C++ is lost, so it is raised until it arrives.
        signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS, _AGAIN_SECONDS)
        self.check()

    def on_alarm(self, signum: int, frame: FrameType | None) -> None:
        """Handler of the timer that `on_signal` starts."""
        del signum, frame
        self.check()


@contextmanager
def watched() -> Iterator[Signals]:
    """Watches for signals while the block runs."""
    signals = Signals()
    handlers = {
        signal.SIGINT: signals.on_signal,
        signal.SIGTERM: signals.on_signal,
        signal.SIGALRM: signals.on_alarm,
    }
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield signals
    finally:
        signals.settle()
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)

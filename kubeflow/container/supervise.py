"""The first process of a container: it watches the one that runs the node, and answers signals at any moment.

Python hears a signal between two of its instructions, and a training or a conversion is one instruction that takes
minutes. So the node runs in a child, and what is left after a failure is judged and cleaned up from outside. The
child is forked before anything is imported, which costs a few megabytes and no time.
"""

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from kubeflow.container.invocation import BadInvocation, Invocation, parse
from kubeflow.container.mounts import UnknownPlace, to_local

_WATCHED = (signal.SIGTERM, signal.SIGINT)
_GRACE_SECONDS = 2
"""How long the node may take to end when asked; Kubernetes waits 30 seconds for the whole pod."""

_LOGS = "executor-logs"
"""The output that the launcher itself is writing."""


def main(argv: Sequence[str]) -> int:
    """Runs the node that the arguments name.

    Returns:
        0 when it succeeded; 1 when it failed; 2 for arguments that Kubeflow does not give; 128 and the signal's number
        when a signal ended it. One sentence on standard output says why.
    """
    try:
        invocation = parse(argv)
        places = _places(invocation)
    except (BadInvocation, UnknownPlace) as error:
        sys.stdout.write(f"{error}\n")
        return 2
    # A file of an earlier try would be read as this one's.
    Path(invocation.output_file).unlink(missing_ok=True)
    code, message = supervised(lambda: _node(invocation), invocation.task)
    if code:
        _discard([Path(invocation.output_file), *places])
        sys.stdout.write(message)
    return code


def _node(invocation: Invocation) -> int:
    from kubeflow.container.node import run

    return run(invocation)


def _places(invocation: Invocation) -> list[Path]:
    """Where the node writes its outputs to."""
    ours = {**invocation.outputs, **{key: item for key, item in invocation.system.items() if key != _LOGS}}
    return [Path(to_local(item.uri)) for item in ours.values()]


def supervised(work: Callable[[], int], task: str) -> tuple[int, str]:
    """Runs something in a child process.

    Args:
        work: Returns the exit code.
        task: What to call it.

    Returns:
        The exit code as a shell has it, and what to say of it when a signal ended the child.
    """
    sys.stdout.flush()
    # No signal may come before somebody listens.
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    child = os.fork()
    if child == 0:
        _child(work)
    with suppress(OSError):  # the child does the same, and may be done
        os.setpgid(child, child)
    received: list[int] = []

    def end(signum: int, frame: object) -> None:
        del frame
        received.append(signum)
        _signal_all(child, signal.SIGKILL if signum == signal.SIGALRM else signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, _GRACE_SECONDS)

    for number in (*_WATCHED, signal.SIGALRM):
        signal.signal(number, end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
    _, status = os.waitpid(child, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)
    # Workers of the node must not outlive it.
    _signal_all(child, signal.SIGKILL)
    if received:
        return 128 + received[0], f"{task} interrupted by {signal.Signals(received[0]).name}\n"
    code = os.waitstatus_to_exitcode(status)
    return (code, "") if code >= 0 else (128 - code, _ended_by(task, -code))


def _child(work: Callable[[], int]) -> None:
    """Never returns."""
    code = 1
    try:
        os.setpgid(0, 0)
        for number in _WATCHED:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _WATCHED)
        code = work()
    except BaseException:  # nothing may reach the code of the parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Threads of libraries must not keep a finished node alive.
        os._exit(code)


def _signal_all(group: int, number: int) -> None:
    """Signals the child and all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(group, number)


def _ended_by(task: str, number: int) -> str:
    name = signal.Signals(number).name
    why = (
        f"; when the kernel did that for want of memory, give it more: kubeflow.steps.{task}.memory_limit"
        if number == signal.SIGKILL
        else ""
    )
    return f"{task} failed: {name} ended its process{why}\n"


def _discard(paths: Sequence[Path]) -> None:
    """Removes what a node that did not finish has written: half of an output must never look like all of it."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

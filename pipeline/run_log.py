"""Sends everything that libraries print to a file, down to their C++ code, and keeps the terminal for people."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO


@contextmanager
def into(path: Path) -> Iterator[TextIO]:
    """Redirects the file descriptors of standard output and error to `path` while the block runs.

    Yields:
        A stream on what was standard output, for the few lines that people should see.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    # Python's own stream would hold back its text until the buffer is full.
    terminal = os.fdopen(os.dup(saved[0]), "w", buffering=1, encoding="utf-8")
    try:
        yield terminal
    finally:
        for stream in (sys.stdout, sys.stderr):
            # On a full disk the end of the log is lost; the run itself says what happened.
            with suppress(OSError):
                stream.flush()
        terminal.close()
        for number, descriptor in enumerate(saved, start=1):
            os.dup2(descriptor, number)
            os.close(descriptor)

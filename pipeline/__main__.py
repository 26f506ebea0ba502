"""`python -m pipeline`, installed as `tfx-edge`."""

import atexit
import os
import sys
from contextlib import suppress

from pipeline.cli import main


def leave(code: int) -> None:
    """Ends this process as `sys.exit` would, but leaves taking TensorFlow and Beam apart to the system.

    Python would spend seconds on destroying modules one by one. What is registered for the end is done, and what was
    printed is written.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main())

"""What commands print: for people, or one JSON object."""

import json
import sys
from collections.abc import Mapping
from typing import Any

_PIPE_WIDTH = 200


class Console:
    """Standard output of one command.

    Args:
        json_mode: Print one JSON object and nothing else on standard output.
        quiet: Leave out what was not asked for by name; warnings and errors stay.
    """

    def __init__(self, json_mode: bool = False, quiet: bool = False) -> None:
        self.json_mode = json_mode
        self.quiet = quiet
        self.reported = False

    def say(self, renderable: object) -> None:
        """Tells people how things go; nothing in JSON mode or when quiet."""
        if not self.quiet:
            self.show(renderable)

    def show(self, renderable: object) -> None:
        """Prints what the command was asked for; nothing in JSON mode."""
        if self.json_mode:
            return
        if isinstance(renderable, str):
            # Not through rich: it would break lines and read [brackets] in paths as markup.
            sys.stdout.write(renderable + "\n")
            sys.stdout.flush()
            return
        from rich.console import Console as RichConsole

        # Without a terminal rich would take 80 columns and cut tables off.
        RichConsole(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(renderable)

    def warn(self, message: str) -> None:
        """Prints a warning on standard error."""
        sys.stderr.write(f"warning: {message}\n")

    def result(self, value: Mapping[str, Any]) -> None:
        """Prints the command's one JSON object in JSON mode; nothing otherwise."""
        if not self.json_mode:
            return
        assert not self.reported, "a command must report one result"
        self.reported = True
        # Plain ASCII: no locale can fail to write it.
        sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")
        sys.stdout.flush()

    def error(self, message: str, exit_code: int) -> None:
        """Prints what ended the command, on standard error and in JSON mode as the result too."""
        sys.stderr.write(message + "\n")
        if not self.reported:
            self.result({"error": {"message": message, "exit_code": exit_code}})

"""What an action of the command `registry` works on."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Config
from pipeline.errors import UserError
from registry import Registry


@dataclass(frozen=True)
class Request:
    """What an action works on.

    Attributes:
        registry: The registry of the configuration.
        config: The configuration.
        args: The arguments.
        current: The number that `current.json` names; `None` without one.
        faults: What is wrong with `current.json`.
    """

    registry: Registry
    config: Config
    args: argparse.Namespace
    current: int | None
    faults: list[str]

    @property
    def number(self) -> int | None:
        """The version that was named."""
        number: int | None = self.args.version
        return number

    def public_pem(self) -> bytes | None:
        """The key that versions must be signed with; `None`: none is configured.

        Raises:
            UserError: It cannot be read.
        """
        path = self.config.push.verify_key
        if path is None:
            return None
        try:
            return Path(path).read_bytes()
        except OSError as error:
            where = self.config.where("push", "verify_key")
            raise UserError(f"{where}: must be a file that can be read, got {path} ({error.strerror})") from error

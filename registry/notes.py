"""Numbered notes beside the versions: small JSON objects, each created once and never changed."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from registry.atomic import json_bytes
from registry.errors import RegistryError, failing_as
from registry.storage import Storage

_NAME = re.compile(r"([0-9]{8,})\.json")
_TRIES = 20


class Notes:
    """The notes of one folder of a registry: `ROOT/FOLDER/00000001.json` and so on.

    Args:
        storage: Where the registry keeps its bytes.
        folder: The folder.
    """

    def __init__(self, storage: Storage, folder: str) -> None:
        self._storage = storage
        self._folder = folder
        self.place = f"{storage.uri}/{folder}"

    def numbers(self) -> list[int]:
        """All numbers, oldest first.

        Raises:
            RegistryError: The registry cannot be read.
        """
        with failing_as(f"list {self.place}"):
            names = self._storage.listed(self._folder)
        return sorted(int(match[1]) for name in names if (match := _NAME.fullmatch(name)))

    def read(self, number: int) -> dict[str, Any] | None:
        """A note; `None` when something else stands there.

        Raises:
            RegistryError: The registry cannot be read, or there is no such note.
        """
        with failing_as(f"read note {number} in {self.place}"):
            content = self._storage.get(self._name(number))
        try:
            value = json.loads(content)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def add(self, make: Callable[[int], Mapping[str, Any]]) -> int:
        """Creates the note of the next free number; of two writers at once each gets its own.

        Args:
            make: What the note of a number holds; asked anew when another writer was quicker.

        Returns:
            The number.

        Raises:
            RegistryError: The registry cannot be written, or others took one number after the other.
        """
        for _ in range(_TRIES):
            number = max(self.numbers(), default=0) + 1
            content = json_bytes(make(number))
            with failing_as(f"write {self.place}"), self._storage.locked():
                if self._storage.create(self._name(number), content):
                    return number
        raise RegistryError(
            f"A note must find a free number in {self.place}; others took {_TRIES} in a row at the same time. "
            "Try again."
        )

    def _name(self, number: int) -> str:
        return f"{self._folder}/{number:08d}.json"

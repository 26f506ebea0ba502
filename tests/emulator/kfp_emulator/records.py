"""The metadata store as driver and launcher use it (backend/src/v2/metadata/client.go and converter.go)."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class PublishError(ValueError):
    """The launcher cannot publish what the container wrote."""


@dataclass(frozen=True)
class Record:
    """An artifact in the store; its type is known there, but not handed to later tasks."""

    id: int
    uri: str
    properties: Mapping[str, Any]

    def described(self) -> dict[str, Any]:
        """The RuntimeArtifact that a later task gets: its name is the id, its schema is empty."""
        type_ = {"instanceSchema": ""}
        return {"name": str(self.id), "type": type_, "uri": self.uri, "metadata": dict(self.properties)}


class Records:
    """Artifacts by id."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 100
        self.all: dict[int, Record] = {}

    def publish(self, name: str, artifact: Mapping[str, Any]) -> Record:
        """Records an output.

        Args:
            name: Key of the output.
            artifact: RuntimeArtifact, with what the container said of it merged in.
        """
        if not (artifact.get("type", {}).get("instanceSchema") or artifact.get("type", {}).get("schemaTitle")):
            raise PublishError(f"failed to determine schema for output {name!r}")
        properties = {key: _stored(value) for key, value in artifact.get("metadata", {}).items()}
        properties.setdefault("display_name", name)
        properties.setdefault("store_session_info", '{"Provider":"s3","Params":{"fromEnv":"true"}}')
        with self._lock:
            self._count += 1
            record = Record(self._count, artifact["uri"], properties)
            self.all[record.id] = record
        return record


def _stored(value: Any) -> Any:
    """A property after it went through MLMD: numbers are doubles, lists and mappings are wrapped, null is refused."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return {"list": value}
    if isinstance(value, Mapping):
        return {"struct": dict(value)}
    raise PublishError(f"unknown/unsupported value type {type(value).__name__}")

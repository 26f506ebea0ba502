"""Event logs of training for TensorBoard: what the steps report after every epoch, a folder for each step of a run.

Written by the runner, which listens to the nodes: no node knows of it, so that it is in no cache key and changes no
byte of what is trained.
"""

import json
import shutil
import socket
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.scalar.summary import scalar_pb
from tensorboard.plugins.text.summary import text_pb

if TYPE_CHECKING:
    from pipeline.runner import NodeResult

NOTE = "node.json"
"""Beside the logs of a step that came to its end: the run, and the artifacts that were trained then."""

_VALIDATION = "val_"
_NAMES = {"lr": "learning_rate"}


class TrainingLogs:
    """The logs of one run; what goes wrong with them is told once and hurts nobody.

    Args:
        root: Folder of the logs of all runs.
        run_id: The run.
        training: Ids of the nodes that train.
        warn: Gets what went wrong, in words.
    """

    def __init__(self, root: Path, run_id: str, training: Collection[str], warn: Callable[[str], None]) -> None:
        self.folder = root / run_id
        self._root, self._run_id, self._training, self._warn = root, run_id, training, warn
        self._writers: dict[tuple[str, str], tf.io.TFRecordWriter] = {}
        self._broken = False

    def start(self, node_id: str) -> None:
        """A node begins."""
        self._close(node_id)

    def epoch(self, node_id: str, done: int, planned: int, logs: Mapping[str, float]) -> None:
        """An epoch of a running node ended; see `components.progress`."""
        del planned
        self._guarded(lambda: self._write_epoch(node_id, done, logs))

    def end(self, result: "NodeResult") -> None:
        """A node ended: a step that was taken from the cache gets the logs of the run that trained it."""
        self._close(result.id)
        if result.id not in self._training or not result.succeeded:
            return
        uris = sorted(artifact.uri for artifacts in result.outputs.values() for artifact in artifacts)
        folder = self.folder / result.id
        if folder.exists():
            note = json.dumps({"run_id": self._run_id, "outputs": uris})
            self._guarded(lambda: (folder / NOTE).write_text(note))
        else:
            self._guarded(lambda: self._write_cached(result.id, uris))

    def close(self) -> None:
        """No node follows."""
        for node_id in {node_id for node_id, _ in self._writers}:
            self._close(node_id)

    def _write_epoch(self, node_id: str, done: int, logs: Mapping[str, float]) -> None:
        for name, value in logs.items():
            part = "validation" if name.startswith(_VALIDATION) else "train"
            plain = name.removeprefix(_VALIDATION)
            summary = scalar_pb(f"epoch_{_NAMES.get(plain, plain)}", float(value))
            self._writer(node_id, part).write(_event(step=done, summary=summary.SerializeToString()))
        for writer in self._writers_of(node_id):
            writer.flush()

    def _write_cached(self, node_id: str, uris: list[str]) -> None:
        """The same artifacts were trained in an earlier run: with logs, or without."""
        folder = self.folder / node_id
        source = _find(self._root, node_id, uris)
        if source is None:
            said = (
                "Taken from the cache, and trained in a run without runtime.tensorboard: there are no curves. "
                f"`run --no-cache {node_id}` trains it anew."
            )
        else:
            shutil.copytree(source, folder)
            said = f"Taken from the cache: trained in run {json.loads((folder / NOTE).read_text())['run_id']}."
        writer = self._writer(node_id, "cache")
        writer.write(_event(step=0, summary=text_pb("cache", said).SerializeToString()))
        self._close(node_id)

    def _writer(self, node_id: str, part: str) -> tf.io.TFRecordWriter:
        if (node_id, part) not in self._writers:
            folder = self.folder / node_id / part
            folder.mkdir(parents=True, exist_ok=True)
            writer = tf.io.TFRecordWriter(str(folder / f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}"))
            writer.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
            self._writers[node_id, part] = writer
        return self._writers[node_id, part]

    def _writers_of(self, node_id: str) -> list[tf.io.TFRecordWriter]:
        return [writer for (owner, _), writer in self._writers.items() if owner == node_id]

    def _close(self, node_id: str) -> None:
        writers = self._writers_of(node_id)
        self._writers = {key: writer for key, writer in self._writers.items() if key[0] != node_id}
        for writer in writers:
            self._guarded(writer.close)

    def _guarded(self, action: Callable[[], Any]) -> None:
        if self._broken:
            return
        try:
            action()
        except (OSError, tf.errors.OpError) as error:
            self._broken = True
            self._warn(f"event logs for TensorBoard must be written to {self.folder}, but that gave: {error}")


def _event(*, step: int, summary: bytes) -> bytes:
    event = Event(wall_time=time.time(), step=step)
    event.summary.ParseFromString(summary)
    return event.SerializeToString()


def _find(root: Path, node_id: str, uris: list[str]) -> Path | None:
    """The logs of the run that trained these artifacts; of several copies the newest."""
    for note in sorted(root.glob(f"*/{node_id}/{NOTE}"), reverse=True):
        try:
            if json.loads(note.read_text())["outputs"] == uris:
                return note.parent
        except (OSError, ValueError, KeyError, TypeError):
            continue  # half written by a run that was killed
    return None

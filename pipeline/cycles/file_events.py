"""Wakes a watcher when files appear below the folder of its data, where the system tells of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.config import Config
from pipeline.cycles.schedule import Clock
from registry.storage import is_uri


@contextmanager
def watched_files(config: Config, clock: Clock, warn: Callable[[str], None]) -> Iterator[None]:
    """Watches while the block runs; without `cycle.file_events` it does nothing.

    Args:
        config: The configuration.
        clock: Is woken.
        warn: Is told when the system does not tell of files; then polling alone must do.
    """
    if not config.cycle.file_events:
        yield
        return
    if is_uri(config.data.path):
        warn(f"file events must come from a folder of this machine; {config.data.path} is none: polling goes on")
        yield
        return
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    class Wake(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            # Reading the data opens and closes files too; only what changes them counts.
            if event.event_type in ("created", "moved", "modified", "deleted"):
                clock.wake()

    try:
        observer = Observer()
        observer.schedule(Wake(), str(_root(config.data.path)), recursive=True)
        observer.start()
    except OSError as error:
        warn(f"file events must be available for cycle.file_events, but asking for them gave: {error}; polling goes on")
        yield
        return
    try:
        yield
    finally:
        observer.stop()
        observer.join()


def _root(path: str) -> Path:
    """The deepest existing folder above all that a path, maybe with placeholders, names."""
    fixed = Path(path.partition("{")[0])
    folder = fixed if path.partition("{")[0].endswith("/") else fixed.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder

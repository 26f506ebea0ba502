"""Where data lie: a path on this machine, or a folder or file on an object store. Needs no TensorFlow.

A store is listed once; what is there, how large it is and which content it has are answered from that listing, so that
all of a window is seen as of one moment.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from registry.remote import open_filesystem
from registry.storage import is_uri

_BLOCK_BYTES = 1 << 20
_BATCH_FILES = 500
_BATCH_BYTES = 256 * 2**20
_CONTENT_TAGS = ("ETag", "md5Hash", "etag")
"""What stores tell of a file's content, S3's and Google Cloud Storage's own words first."""


class Unreachable(OSError):
    """A store that does not answer; the message holds the first line of what it said."""


@dataclass(frozen=True)
class Listing:
    """All files below a URI.

    Attributes:
        uri: The URI.
        root: The path that fsspec makes of it.
        files: Path to what the store tells of a file.
        filesystem: As fsspec has it.
    """

    uri: str
    root: str
    files: dict[str, dict[str, Any]]
    filesystem: Any

    @classmethod
    def of(cls, uri: str) -> "Listing":
        """Asks the store; a URI that is not there has no files.

        Raises:
            Unreachable: It does not answer, or fsspec does not know it.
        """
        with _answering():
            filesystem, root = open_filesystem(uri)
            try:
                found = filesystem.find(root, detail=True)
                if not found and filesystem.isfile(root):
                    found = {root: filesystem.info(root)}
            except FileNotFoundError:
                found = {}
        # Stores without folders keep an empty object in the place of one.
        files = {path: info for path, info in found.items() if info.get("type") == "file" and not path.endswith("/")}
        return cls(uri.rstrip("/"), root, files, filesystem)

    @cached_property
    def folders(self) -> dict[str, set[str]]:
        """Folder to the names in it, for all folders that hold anything at any depth."""
        made: dict[str, set[str]] = {}
        for path in self.files:
            while path != self.root and "/" in path:
                path, _, name = path.rpartition("/")
                made.setdefault(path, set()).add(name)
        return made


@dataclass(frozen=True, order=True)
class RemotePath:
    """A file or folder on a store, with as much of `pathlib.Path` as looking for data takes."""

    path: str
    listing: Listing = field(compare=False, repr=False)

    @classmethod
    def at(cls, uri: str) -> "RemotePath":
        """A URI, with all that lies below it.

        Raises:
            Unreachable: The store does not answer.
        """
        listing = Listing.of(uri)
        return cls(listing.root, listing)

    def __truediv__(self, name: str) -> "RemotePath":
        return RemotePath(f"{self.path}/{name}" if name else self.path, self.listing)

    def __str__(self) -> str:
        return self.listing.uri + self.path.removeprefix(self.listing.root)

    @property
    def name(self) -> str:
        """Its last part."""
        return PurePosixPath(self.path).name

    def is_file(self) -> bool:
        """Whether it is a file."""
        return self.path in self.listing.files

    def is_dir(self) -> bool:
        """Whether anything lies below it."""
        return self.path in self.listing.folders

    def exists(self) -> bool:
        """Whether it is either."""
        return self.is_file() or self.is_dir()

    def iterdir(self) -> Iterator["RemotePath"]:
        """What lies in it."""
        return (self / name for name in sorted(self.listing.folders.get(self.path, ())))

    @property
    def size_bytes(self) -> int:
        """Its size."""
        return int(self.listing.files[self.path]["size"])

    def digest(self) -> str:
        """What tells its content: `etag:` and the store's own tag, or the sha256 where the store has none.

        Raises:
            Unreachable: The store does not answer.
        """
        told = self.listing.files[self.path]
        tag = next((told[key] for key in _CONTENT_TAGS if told.get(key)), None)
        if tag is not None:
            return "etag:" + str(tag).strip('"')
        sha256 = hashlib.sha256()
        with _answering(), self.listing.filesystem.open(self.path, "rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                sha256.update(block)
        return sha256.hexdigest()


Place = Path | RemotePath


def place(text: str) -> Place:
    """What a path or URI names.

    Raises:
        Unreachable: A store does not answer.
    """
    return RemotePath.at(text) if is_uri(text) else Path(text)


@contextmanager
def local_copy(text: str) -> Iterator[str]:
    """A path on this machine with the content of a file, for as long as the block runs; a local file is its own.

    Args:
        text: A path or URI.

    Raises:
        Unreachable: The store does not answer, or the file is gone.
    """
    if not is_uri(text):
        yield text
        return
    with tempfile.TemporaryDirectory(prefix="tfx-edge-data-") as folder:
        copy = Path(folder) / PurePosixPath(text).name
        with _fetching(text), _answering():
            filesystem, path = open_filesystem(text)
            filesystem.get_file(path, str(copy))
        yield str(copy)


def local_files(text: str, wanted: Callable[[Place], Sequence[Place]]) -> Iterator[Path]:
    """Paths on this machine to files of a folder, in order; copies last until the next file is asked for.

    They are fetched many at a time, since ten thousand small files would else be ten thousand waits for an answer, and
    the disk never holds more than one batch.

    Args:
        text: A path or URI.
        wanted: Folder to the files.

    Raises:
        Unreachable: The store does not answer, or a file is gone.
    """
    if not is_uri(text):
        yield from (Path(str(path)) for path in wanted(Path(text)))
        return
    folder = RemotePath.at(text)
    for batch in batched(wanted(folder)):
        with tempfile.TemporaryDirectory(prefix="tfx-edge-data-") as copies:
            paths = [Path(copies) / path.name for path in batch]
            with _fetching(text), _answering():
                filesystem = folder.listing.filesystem
                filesystem.get([path.path for path in batch], [str(path) for path in paths])
            yield from paths


def batched(files: Sequence[Place]) -> Iterator[list[RemotePath]]:
    """Files of a store in batches, none with more than `_BATCH_FILES` or, but for a single file, `_BATCH_BYTES`."""
    batch: list[RemotePath] = []
    size_bytes = 0
    for file in files:
        assert isinstance(file, RemotePath)
        if batch and (len(batch) == _BATCH_FILES or size_bytes + file.size_bytes > _BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append(file)
        size_bytes += file.size_bytes
    if batch:
        yield batch


@contextmanager
def _fetching(text: str) -> Iterator[None]:
    try:
        yield
    except Unreachable as error:
        advice = "look at the store and the credentials in the environment, and run again"
        raise Unreachable(f"{text} must be there to be read, but reading it gave: {error}; {advice}") from error


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each store's own library raises errors of its own
        lines = str(error).strip().splitlines() or [""]
        raise Unreachable(f"{type(error).__name__}: {lines[0]}") from error

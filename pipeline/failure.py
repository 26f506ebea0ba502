"""Why a node failed, in one sentence."""

import re
import sysconfig
import traceback
from pathlib import Path

from components.errors import InputError
from compression.errors import CompressionError
from registry import RegistryError

READS_DATA = {"ingest", "statistics", "schema", "validator", "drift", "data-guard"}
"""Nodes whose input is the data as they came."""

_OURS: tuple[type[Exception], ...] = (InputError, CompressionError, RegistryError)
_LONGEST = 600
# SQLite gives a transaction up when the disk is full; the commit that follows finds none.
_DISK_FULL = re.compile(
    "No space left on device|database or disk is full|Disk quota exceeded|cannot commit - no transaction is active"
)

_FRAME = re.compile(r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)

_PROJECT = Path(__file__).resolve().parents[1]
_INSTALLED = tuple(sysconfig.get_path(name) + "/" for name in ("stdlib", "purelib", "platlib"))
# Frames here are above every node and say nothing about one.
_LAUNCHES = str(_PROJECT / "pipeline") + "/"
_NOT_THE_USERS = (
    *(str(_PROJECT / package) + "/" for package in ("components", "compression", "pipeline", "registry", "report")),
    *_INSTALLED,
)


_SPARSE = (
    "; a feature that has other numbers of values in other examples, or that some examples lack, is a tf.SparseTensor "
    "in preprocessing_fn: make it dense first, see docs/own-data.md"
)

ROOM_HERE = "free some space, or choose another --workspace"
"""What helps against a full disk on this machine."""


def cause(error: BaseException, room: str = ROOM_HERE) -> str:
    """What the user should read of an exception.

    Our own errors say it themselves. Others are named by type, with the place when the user's code raised them; Beam
    hands an error of a worker on as the text of its traceback, of which the last line counts.

    Args:
        error: The exception.
        room: What helps against a full disk where it was raised.
    """
    ours = next((link for link in _chain(error) if isinstance(link, _OURS)), None)
    if ours is not None:
        return str(ours)
    full = next((match for link in _with_contexts(error) if (match := _DISK_FULL.search(str(link)))), None)
    if full:
        return f"the disk must have room, but is full ({full[0]}); {room}"
    root = _chain(error)[-1]
    lines = [line.strip() for line in str(root).splitlines() if line.strip()]
    text = next((line for line in lines if not line.startswith("Traceback")), "no message")
    raised = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Exit|Interrupt)\b.*:", line)]
    sentence = raised[-1] if len(lines) > 1 and raised else f"{type(root).__name__}: {text}"
    hint = _SPARSE if "SparseTensor" in sentence else ""
    return (sentence if len(sentence) <= _LONGEST else f"{sentence[:_LONGEST]}...") + _place(root) + hint


def excerpt(error: BaseException) -> list[str]:
    """The lines of the log that matter: the two innermost frames in the user's code or ours, and what was raised.

    At most five. None for our own errors: their sentence is written for the reader, and the frames add nothing.
    """
    if any(isinstance(link, _OURS) for link in _chain(error)):
        return []
    root = _chain(error)[-1]
    text = str(root)
    # Beam hands an error of a worker on as the text of its traceback.
    lines = text.splitlines() if _FRAME.search(text) else "".join(traceback.format_exception(root)).splitlines()
    starts = [
        number
        for number, line in enumerate(lines)
        if (frame := _FRAME.match(line)) and not frame["file"].startswith((*_INSTALLED, _LAUNCHES, "<"))
    ]
    shown = []
    for start in starts[-2:]:
        shown.append(lines[start].strip())
        if start + 1 < len(lines) and not _FRAME.match(lines[start + 1]) and lines[start + 1].startswith("    "):
            shown.append(f"  {lines[start + 1].strip()}")
    raised = [line.strip() for line in lines if re.match(r"[\w.]+(Error|Exception|Exit|Interrupt)\b", line)]
    return [line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..." for line in [*shown, *raised[-1:]]]


class NodeFailed(Exception):
    """What a node in another process raised, as the text of its traceback, like Beam hands on errors of workers."""


def from_child(error: BaseException) -> Exception:
    """What stands for an error of a node in another process: one of ours, or its traceback as text."""
    ours = next((link for link in _chain(error) if isinstance(link, _OURS)), None)
    return ours or NodeFailed("".join(traceback.format_exception(error)))


def refuses_data(node_id: str, error: BaseException) -> bool:
    """Whether a node refused the data, and would do so again."""
    return node_id in READS_DATA and any(isinstance(link, InputError) for link in _chain(error))


def _chain(error: BaseException) -> list[BaseException]:
    links = [error]
    while links[-1].__cause__ is not None and links[-1].__cause__ not in links:
        links.append(links[-1].__cause__)
    return links


def _with_contexts(error: BaseException) -> list[BaseException]:
    """The error and all that were being handled when it was raised."""
    links = [error]
    while (before := links[-1].__cause__ or links[-1].__context__) is not None and before not in links:
        links.append(before)
    return links


def _place(error: BaseException) -> str:
    """` at FILE:LINE` of the deepest frame in a file that is neither ours nor installed: the user's model module."""
    own = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    # An error of another process holds its frames as text.
    told = [(frame["file"], int(frame["line"])) for frame in _FRAME.finditer(str(error))]
    frames = [
        (file, line) for file, line in told or own if Path(file).is_file() and not file.startswith(_NOT_THE_USERS)
    ]
    return f" at {frames[-1][0]}:{frames[-1][1]}" if frames else ""

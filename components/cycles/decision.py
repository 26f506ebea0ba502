"""Whether there is anything new since the last cycle that came to a conclusion, and why, in words. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from components.cycles.fingerprint import DataFile, Fingerprint
from components.cycles.record import Record

_NAMED_AT_MOST = 3


@dataclass(frozen=True)
class Decision:
    """What a cycle should do.

    Attributes:
        runs: Whether to run.
        reasons: Why, or why not, each a few words.
        data_alone: Whether new data are the only reason.
    """

    runs: bool
    reasons: tuple[str, ...]
    data_alone: bool = False


def decide(now: Fingerprint, records: Sequence[Record], *, forced: bool) -> Decision:
    """Compares with the last conclusive cycle.

    Args:
        now: What a run would depend on.
        records: All earlier cycles, oldest first.
        forced: Run whatever is new.
    """
    last = next((record for record in reversed(records) if record.is_conclusive), None)
    data = [] if last is None else list(data_changes(last.fingerprint.files, now.files))
    rest = [] if last is None else [*input_changes(last.fingerprint, now), *code_changes(last.fingerprint, now)]
    if last is None and not records:
        rest.append("there was no cycle before")
    if records and not records[-1].is_conclusive:
        rest.append(f"{records[-1].title} {records[-1].ending}: it is tried again")
    if forced:
        rest.append("forced")
    if data or rest:
        return Decision(True, (*data, *rest), data_alone=not rest)
    assert last is not None
    return Decision(False, (f"nothing new since {last.title} ({last.ending})",))


def data_changes(before: Sequence[DataFile], now: Sequence[DataFile]) -> Iterator[str]:
    """What is new in the data, span by span, or file by file where there are no spans."""
    if any(file.span is None for file in (*before, *now)):
        yield from _file_changes(before, now)
        return
    old, new = _by_span(before), _by_span(now)
    appeared = [span for span in new if span not in old]
    if len(appeared) > _NAMED_AT_MOST:
        count = sum(len(new[span]) for span in appeared)
        yield f"{len(appeared)} spans are new ({appeared[0]} to {appeared[-1]}, {_files(count)})"
    else:
        yield from (f"span {span} is new ({_files(len(new[span]))})" for span in appeared)
    for span in sorted(old.keys() & new.keys()):
        yield from _span_changes(span, old[span], new[span])
    # A window that moves on leaves its oldest spans behind, which alone says nothing.
    if not appeared:
        yield from (f"span {span} is gone" for span in old if span not in new)


def _by_span(files: Sequence[DataFile]) -> dict[int, list[DataFile]]:
    spans: dict[int, list[DataFile]] = {}
    for file in sorted(files, key=lambda file: (file.span or 0, file.path)):
        spans.setdefault(file.span or 0, []).append(file)
    return spans


def _span_changes(span: int, before: Sequence[DataFile], now: Sequence[DataFile]) -> Iterator[str]:
    old, new = before[0].version, now[0].version
    if old != new:
        yield f"span {span} has a new version {new}" if new is not None else f"span {span} has no version any more"
        return
    changed = {(file.path, file.sha256) for file in before} ^ {(file.path, file.sha256) for file in now}
    if changed:
        yield f"span {span} changed ({_files(len({path for path, _ in changed}))})"


def _file_changes(before: Sequence[DataFile], now: Sequence[DataFile]) -> Iterator[str]:
    old, new = ({file.path: file.sha256 for file in files} for files in (before, now))
    yield from _named([path for path in new if path not in old], "new")
    yield from _named([path for path in new if old.get(path, new[path]) != new[path]], "changed")
    yield from _named([path for path in old if path not in new], "gone")


def _named(paths: Sequence[str], what: str) -> Iterator[str]:
    if not paths:
        return
    verb = "" if what == "changed" else "is " if len(paths) == 1 else "are "
    names = ", ".join(PurePath(path).name for path in paths[:_NAMED_AT_MOST])
    if len(paths) == 1:
        yield f"data file {names} {verb}{what}"
    else:
        more = ", ..." if len(paths) > _NAMED_AT_MOST else ""
        yield f"{len(paths)} data files {verb}{what} ({names}{more})"


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def input_changes(before: Fingerprint, now: Fingerprint) -> Iterator[str]:
    """Files beside the data that changed; a frozen schema that appears is the last run's own work."""
    for key, sha256 in now.inputs.items():
        old = before.inputs.get(key)
        if sha256 != old and (old is not None or not key.startswith("the ")):
            yield f"{key} changed" if key.startswith("the ") else f"the file of {key} changed"


def code_changes(before: Fingerprint, now: Fingerprint) -> Iterator[str]:
    """Code and configuration that changed."""
    for module, sha256 in now.model_code.items():
        if before.model_code.get(module, sha256) != sha256:
            yield f"model module {module} changed"
    if before.node_code != now.node_code:
        yield "the code of the tool changed"
    keys = list(_different(before.config, now.config))
    if keys:
        more = ", ..." if len(keys) > _NAMED_AT_MOST else ""
        yield f"configuration changed: {', '.join(keys[:_NAMED_AT_MOST])}{more}"


def _different(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted keys whose values differ."""
    for key in dict.fromkeys((*before, *now)):
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _different(old, new, f"{prefix}{key}.")
        elif old != new or (key in before) != (key in now):
            yield f"{prefix}{key}"

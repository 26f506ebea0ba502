"""The actions of `registry` that change it, and what was changed so far."""

from typing import TYPE_CHECKING, Any

from pipeline.commands.registry_request import Request
from pipeline.console import Console
from pipeline.errors import UserError
from pipeline.pushed_metadata import forget_removed
from pipeline.report_files import refresh_index
from pipeline.workspace import Workspace
from registry import Event

if TYPE_CHECKING:
    from rich.table import Table


def history(request: Request, console: Console) -> int:
    """Prints everything that was done to the registry, oldest first."""
    _no_version(request)
    events = request.registry.history()
    console.show(_table(events) if events else f"nothing was done to {request.registry.place} yet")
    console.result({"registry": request.registry.place, "events": [event.to_dict() for event in events]})
    return 0


def rollback(request: Request, console: Console) -> int:
    """Makes the version current that was so before, or the one that was named."""
    number = request.registry.rollback(request.number, request.args.reason)
    return _moved(request, console, number, "rolled back")


def promote(request: Request, console: Console) -> int:
    """Makes the named version current."""
    if request.number is None:
        raise UserError("registry promote needs the VERSION that shall be current, got none; registry list shows them")
    return _moved(request, console, request.registry.promote(request.number, request.args.reason), "promoted")


def collect(request: Request, console: Console) -> int:
    """Removes old versions; MLMD forgets them too."""
    _no_version(request)
    keep = request.args.keep or request.config.push.keep
    if keep is None:
        raise UserError("registry gc needs to know how many versions stay, got neither --keep nor push.keep; give one")
    dry_run: bool = request.args.dry_run
    removed = request.registry.collect(keep, request.args.reason, dry_run=dry_run)
    workspace = Workspace(request.config.workspace)
    if removed and not dry_run and workspace.metadata.exists():
        with workspace.held():
            forget_removed(workspace.metadata, request.registry)
    if removed and not dry_run:
        refresh_index(request.config, console.warn)
    words = "would remove" if dry_run else "removed"
    console.say(f"{words} {_versions(removed)}; {_versions(request.registry.numbers())} stay")
    console.result({"registry": request.registry.place, "removed": list(removed), "dry_run": dry_run})
    return 0


def _moved(request: Request, console: Console, number: int, words: str) -> int:
    refresh_index(request.config, console.warn)
    before = "" if request.current is None else f" from version {request.current}"
    console.say(f"{words}{before} to version {number}")
    console.result({"registry": request.registry.place, "before": request.current, "current": number})
    return 0


def _no_version(request: Request) -> None:
    if request.number is not None:
        raise UserError(f"registry {request.args.action} takes no VERSION, got {request.number}; leave it out")


def _versions(numbers: Any) -> str:  # noqa: ANN401 - a sequence of numbers
    listed = ", ".join(map(str, numbers))
    return "no version" if not listed else f"version{'s' if len(numbers) > 1 else ''} {listed}"


def _table(events: list[Event]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("when", "what", "version", "who", "why"):
        table.add_column(title, no_wrap=title != "why")
    for event in events:
        why = event.why or (f"run {event.run_id}" if event.run_id else "")
        cells = (event.when[:19].replace("T", " "), event.action, _way(event), event.who, why)
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _way(event: Event) -> str:
    if event.action == "gc":
        return f"removed {', '.join(map(str, event.removed))}"
    return f"{'none' if event.before is None else event.before} -> {event.after}"

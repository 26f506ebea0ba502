"""`registry ACTION CONFIG [VERSION]`: what was pushed, whether it is still whole, and which version is current."""

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pipeline.commands import registry_changes
from pipeline.commands.config_argument import add_config, load_config
from pipeline.commands.registry_request import Request
from pipeline.console import Console
from pipeline.errors import EdgeError, UserError
from pipeline.verify import verify_version
from registry import Registry, RegistryError, Version

if TYPE_CHECKING:
    from rich.table import Table

HELP = "list, show, verify or change what is pushed"

CARD = "card.md"
"""The model card's name in a version, as `components.card.files` writes it; its module needs LiteRT."""

FAULTS_EXIT_CODE = 1
# What people ask first; the rest of a manifest follows by name, the long report of the edge check last.
_FIRST = (
    "version",
    "current",
    "path",
    "card",
    "pushed_at",
    "name",
    "variant",
    "steps",
    "sha256",
    "size_bytes",
    "gzip_bytes",
)
_LAST = ("inputs", "outputs", "label_names", "tools", "edge")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("action", choices=list(ACTIONS), help="what to do")
    add_config(parser)
    parser.add_argument(
        "version",
        type=_number,
        nargs="?",
        metavar="VERSION",
        help="number of a version; by default show takes the current one, verify all of them, rollback the one that "
        "was current before",
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history (rollback, promote, gc)")
    parser.add_argument("--keep", type=_number, metavar="N", help="gc: how many versions stay; default: push.keep")
    parser.add_argument("--dry-run", action="store_true", help="gc: say what would be removed, and remove nothing")


def execute(args: argparse.Namespace, console: Console) -> int:
    """Does the action."""
    config = load_config(args)
    try:
        registry = Registry(config.registry)
        current, faults = _current(registry)
        request = Request(registry, config, args, current, faults)
        return ACTIONS[args.action](request, console)
    except RegistryError as error:
        raise EdgeError(str(error)) from error


def list_versions(request: Request, console: Console) -> int:
    """Prints one row for each version; returns 1 when a version or the pointer is damaged."""
    if request.number is not None:
        raise UserError(f"registry list takes no VERSION, got {request.number}; registry show prints one version")
    rows, faults = [], list(request.faults)
    for number in _numbers(request.registry):
        try:
            rows.append(_row(request.registry.version(number), request))
        except RegistryError as fault:
            faults.append(str(fault))
    console.show(_table(rows) if rows else f"nothing was pushed to {request.registry.place} yet")
    for fault in faults:
        console.warn(fault)
    result = {"registry": request.registry.place, "current": request.current, "versions": rows, "faults": faults}
    console.result(result)
    return FAULTS_EXIT_CODE if faults else 0


def show(request: Request, console: Console) -> int:
    """Prints a manifest, the current version's when none is named."""
    (number,) = _wanted(request, [request.current] if request.current is not None else [])
    try:
        version = request.registry.version(number)
    except RegistryError as fault:
        console.error(str(fault), FAULTS_EXIT_CODE)
        return FAULTS_EXIT_CODE
    import yaml

    card = f"{version.place}/{CARD}" if CARD in version.names() else None
    here = {"current": number == request.current, "path": version.place, **({"card": card} if card else {})}
    facts = {**version.manifest, **here}
    rest = sorted(facts.keys() - {*_FIRST, *_LAST})
    ordered = {name: facts[name] for name in (*_FIRST, *rest, *_LAST) if name in facts}
    text = yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    console.show(text.removesuffix("\n"))
    console.result(
        {
            "registry": request.registry.place,
            "version": number,
            "current": facts["current"],
            "path": facts["path"],
            "card": card,
            "files": version.names(),
            "manifest": dict(version.manifest),
        }
    )
    return 0


def verify(request: Request, console: Console) -> int:
    """Computes checksums and golden pairs anew; returns 1 when something is not as it was pushed."""
    checked = []
    for number in _wanted(request, _numbers(request.registry)):
        report = verify_version(request.registry, number, request.public_pem())
        checked.append(report)
        console.show(f"version {number}: {report.line}")
        for fault in report.faults:
            console.show(f"  {fault}")
    # The pointer is everybody's: it counts whichever version was named.
    for fault in request.faults:
        console.show(f"current.json: {fault}")
    faults = len(request.faults) + sum(len(report.faults) for report in checked)
    console.show(f"{faults} fault{'' if faults == 1 else 's'} found" if faults else "all is as it was pushed")
    console.result(
        {
            "registry": request.registry.place,
            "ok": not faults,
            "current": request.current,
            "faults": request.faults,
            "versions": [report.to_dict() for report in checked],
        }
    )
    return FAULTS_EXIT_CODE if faults else 0


ACTIONS: dict[str, Callable[[Request, Console], int]] = {
    "list": list_versions,
    "show": show,
    "verify": verify,
    "history": registry_changes.history,
    "rollback": registry_changes.rollback,
    "promote": registry_changes.promote,
    "gc": registry_changes.collect,
}


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, got {text!r}")
    return int(text)


def _numbers(registry: Registry) -> list[int]:
    try:
        return registry.numbers()
    except RegistryError as error:
        raise UserError(str(error)) from error


def _current(registry: Registry) -> tuple[int | None, list[str]]:
    try:
        version = registry.current()
    except RegistryError as fault:
        return None, [str(fault)]
    if version is None and _numbers(registry):
        return None, [f"{registry.place}/current.json must name a version; there is no such file. Push again."]
    return version and version.version, []


def _wanted(request: Request, default: list[int]) -> list[int]:
    """The version that was named, else the default.

    Raises:
        UserError: There is no such version, or none at all.
        EdgeError: None was named, and the pointer is damaged.
    """
    known = _numbers(request.registry)
    if not known:
        raise UserError(f"{request.registry.place} must hold a pushed version, got none; run the pipeline first")
    if request.number is None:
        if not default:
            raise EdgeError(f"{request.faults[0]} Or name a VERSION ({_listed(known)}).")
        return default
    if request.number not in known:
        raise UserError(f"VERSION must be one of {_listed(known)}, got {request.number}")
    return [request.number]


def _listed(numbers: list[int]) -> str:
    shown = [str(number) for number in numbers]
    return ", ".join(shown if len(shown) <= 10 else [shown[0], "...", *shown[-8:]])


def _row(version: Version, request: Request) -> dict[str, Any]:
    manifest = version.manifest
    metric, value = _gate_value(manifest, request.config.gate.metric)
    return {
        "version": version.version,
        "current": version.version == request.current,
        "pushed_at": manifest.get("pushed_at"),
        "variant": manifest.get("variant"),
        "metric": metric,
        "value": value,
        "size_bytes": manifest.get("size_bytes"),
        "gzip_bytes": manifest.get("gzip_bytes"),
        "sha256": version.sha256,
        "path": version.place,
    }


def _gate_value(manifest: Mapping[str, Any], preferred: str) -> tuple[str | None, float | None]:
    """A metric that the gate measured, the configuration's where there are several; manifests may be of other tools."""
    gate = manifest.get("gate")
    metrics = gate.get("metrics") if isinstance(gate, dict) else None
    if not isinstance(metrics, dict) or not metrics:
        return None, None
    name = preferred if preferred in metrics else min(metrics)
    numbers = metrics[name]
    value = numbers.get("candidate") if isinstance(numbers, dict) else None
    return name, value if isinstance(value, int | float) else None


def _table(rows: list[dict[str, Any]]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("", "version", "pushed", "variant", "metric", "value", "bytes", "after gzip", "sha256"):
        right = title in ("version", "value", "bytes", "after gzip")
        table.add_column(title, no_wrap=True, justify="right" if right else "left")
    for row in rows:
        cells = (
            "*" if row["current"] else "",
            row["version"],
            str(row["pushed_at"] or "-")[:19].replace("T", " "),
            row["variant"] or "-",
            row["metric"] or "-",
            "-" if row["value"] is None else f"{row['value']:.4f}",
            *(f"{row[name]:,}" if isinstance(row[name], int) else "-" for name in ("size_bytes", "gzip_bytes")),
            row["sha256"][:12],
        )
        table.add_row(*(Text(str(cell)) for cell in cells))
    table.caption = "* current" if any(row["current"] for row in rows) else None
    table.caption_justify = "left"
    return table

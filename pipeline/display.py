"""What people see of a run: a live tree, or a line per node as it ends; then one table."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from components.champion import NO_CHAMPION
from components.warm_start import describe as describe_start
from compression.search.space import describe
from pipeline.local import Finished
from pipeline.run_tree import RunTree
from pipeline.runner import NodeResult, State

_MARKS = {
    State.COMPLETE: ("done", "green"),
    State.CACHED: ("cached", "cyan"),
    State.FAILED: ("failed", "red"),
    State.INTERRUPTED: ("stopped", "yellow"),
}
_STATUS_STYLES = {
    "passed": "green",
    "blocked": "yellow",
    "not_enough_data": "yellow",
    "failed": "red",
    "not_run": "yellow",
}


class Progress:
    """Live tree of a run; on a stream that is no terminal, or a plain one, a line per node.

    Args:
        stream: Where people read.
        silent: Show nothing.
        notes: Node id to a few words about it, such as the variants that share it.
        tree: What to draw on a terminal.
    """

    def __init__(self, stream: TextIO, *, silent: bool, notes: Mapping[str, str], tree: RunTree) -> None:
        self._console = Console(file=stream, quiet=silent, highlight=False)
        self._notes = notes
        self._width = max(map(len, notes), default=0)
        self._tree = tree
        self._live: Live | None = None
        self._not_run: list[str] = []
        if self._console.is_terminal and not silent and not plain(os.environ):
            # What Python code prints meanwhile belongs into the log; by default rich would show it above the tree.
            self._live = Live(tree, console=self._console, redirect_stdout=False, redirect_stderr=False)
            self._live.start()

    def start(self, node_id: str) -> None:
        """A node begins."""
        self._tree.start(node_id)
        self._end_of_not_run()

    def epoch(self, node_id: str, done: int, planned: int, logs: Mapping[str, float]) -> None:
        """A running node finished an epoch."""
        self._tree.epoch(node_id, done, planned, logs)

    def end(self, result: NodeResult) -> None:
        """A node ended, or was passed over."""
        self._tree.end(result)
        if self._live is not None:
            return
        if result.state is State.NOT_RUN:
            self._not_run.append(result.id)
            return
        word, style = _MARKS[result.state]
        seconds = f"{result.seconds:6.1f} s" if result.seconds is not None else " " * 8
        line = Text.assemble(
            f"  {result.id:<{self._width}}  {seconds}  ",
            (f"{word:<8}", style),
            (self._notes.get(result.id, ""), "dim"),
        )
        line.rstrip()
        self._console.print(line, soft_wrap=True)

    def close(self) -> None:
        """No node follows; the tree stays as it is."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        self._end_of_not_run()

    def _end_of_not_run(self) -> None:
        """Nodes that were passed over in a row share a line."""
        if self._not_run:
            self._console.print(Text(f"  not run: {', '.join(self._not_run)}", style="yellow"), soft_wrap=True)
            self._not_run = []


def plain(environ: Mapping[str, str]) -> bool:
    """Whether people asked for lines without escape codes: by `NO_COLOR`, or a terminal that knows none."""
    return bool(environ.get("NO_COLOR")) or environ.get("TERM") in ("dumb", "unknown")


def report(finished: Finished) -> Group:
    """The result of a run: a table of variants, why some did not pass, and where things are."""
    summary = finished.summary
    parts: list[Any] = [Text(), _table(summary), Text()] if _measured(summary) else []
    parts += [Text(line) for line in _reasons(summary["variants"])]
    parts += [Text(f"data     {line}") for line in _spans(summary)]
    parts += [Text(f"search   {line}") for line in _found(summary)]
    parts += [Text(f"start    {line}", style="bold" if line.startswith("COLD") else "") for line in _start(summary)]
    parts += [Text(f"champion {line}") for line in _champion(summary)]
    if summary["pushed"]:
        version = summary["pushed"]
        parts.append(Text(f"pushed   {summary['selected']} as version {version['version']}", style="bold"))
        parts.append(Text(f"because  {summary['selection_reason']}"))
        parts += [Text(f"size     {line}") for line in _smaller(summary)]
        parts.append(Text(f"model    {version['path']}/model.tflite"))
    else:
        parts.append(Text("nothing pushed", style="bold"))
        parts += [Text(f"because  {summary['selection_reason']}")] if summary["selected"] else []
    if finished.report is not None:
        parts.append(Text(f"report   {finished.report}"))
    parts.append(Text(f"summary  {finished.summary_path}"))
    if not summary["exit_code"]:
        # A failure is told on standard error, with its log.
        parts.append(Text(f"log      {finished.log}"))
    return Group(*parts)


def _measured(summary: Mapping[str, Any]) -> bool:
    sizes = [summary["baseline"]["size_bytes"], *(variant["size_bytes"] for variant in summary["variants"])]
    return any(size is not None for size in sizes)


def _reasons(variants: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why variants did not pass; those that share a reason share a line."""
    names: dict[tuple[str, str], list[str]] = {}
    # The reason of a failure names the node that failed, that of a blocked variant does not say that it is one.
    words = {"failed": "", "blocked": " blocked", "not_enough_data": ": not enough data"}
    for variant in variants:
        for reason in variant["reasons"] if variant["status"] in words else ():
            names.setdefault((variant["status"], reason), []).append(variant["name"])
    return [f"{', '.join(sharing)}{words[status]}: {reason}" for (status, reason), sharing in names.items()]


def _spans(summary: Mapping[str, Any]) -> list[str]:
    """Which spans were read, and what was odd about them."""
    spans, notes = summary["spans"], summary["data"]
    bad = (notes or {}).get("unreadable_files") or []
    unreadable = [f"left out: {len(bad)} unreadable file(s), first {bad[0]}"] if bad else []
    if not spans:
        return unreadable
    names = [span["name"] for span in spans]
    lines = [f"span {names[0]}" if len(names) == 1 else f"{len(names)} spans, {names[0]} to {names[-1]}"]
    missing = notes["missing_spans"]
    if missing:
        lines.append(f"missing between them: {', '.join(map(str, missing))}")
    return [*lines, *(f"left out: {line}" for line in notes["repeated_files"]), *unreadable]


def _found(summary: Mapping[str, Any]) -> list[str]:
    """What the search chose, out of how many."""
    if summary["search"] is None:
        return []
    trials, best = summary["search"]["trials"], summary["search"]["best"]
    chosen = next(trial for trial in trials if trial["hparams"] == best)
    words = {"completed": "completed", "over_budget": "over a budget", "failed": "failed"}
    ended = Counter(words[trial["status"]] for trial in trials)
    return [
        f"{describe(best)}: validation {summary['baseline']['metric']} {chosen['value']:.4f}, "
        f"best of {len(trials)} trials ({', '.join(f'{count} {word}' for word, count in ended.items())})"
    ]


def _start(summary: Mapping[str, Any]) -> list[str]:
    """Whether training went on from the champion, when it was to."""
    return [describe_start(summary["warm_start"])] if summary["warm_start"] else []


def _champion(summary: Mapping[str, Any]) -> list[str]:
    """The model in the field, beside the new ones; that there is none, when the configuration asks for one."""
    champion, missing = summary["champion"], summary["not_measured"]
    if champion is None:
        none_yet = missing.get("champion") == NO_CHAMPION
        return [f"none: {NO_CHAMPION}, so there was nothing to compare with or to go on from"] if none_yet else []
    if champion["value"] is None:
        return [f"version {champion['version']}, not compared: {missing.get('champion.value', 'no gate reported')}"]
    drops = [v["drop_vs_champion"] for v in summary["variants"] if v["name"] == summary["selected"]]
    selected = f"; drop of {summary['selected']} {drops[0]:+.4f}" if drops and drops[0] is not None else ""
    return [f"version {champion['version']}, {champion['metric']} {champion['value']:.4f} on the new data{selected}"]


def _table(summary: Mapping[str, Any]) -> Table:
    baseline = summary["baseline"]
    # One space between columns: eight of them must fit into 80 characters.
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1), collapse_padding=True)
    table.add_column("variant", no_wrap=True, overflow="ellipsis")
    for title in (baseline["metric"], "drop", "at most", "bytes", "gzip", "ms", "zeros"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_row("float baseline", _number(baseline["value"]), "", "", *_costs(baseline))
    for variant in summary["variants"]:
        sparsity, bounds = variant["sparsity"], variant["drop_ci"]
        table.add_row(
            Text(variant["name"], style="bold" if variant["name"] == summary["selected"] else ""),
            _number(variant["value"]),
            _number(variant["drop"], sign="+"),
            _number(bounds[1], sign="+") if bounds else "",
            *_costs(variant),
            "" if sparsity is None else f"{sparsity:.0%}",
            Text(_word(variant["status"]), style=_STATUS_STYLES.get(variant["status"], "yellow")),
        )
    return table


def _costs(model: Mapping[str, Any]) -> tuple[str, str, str]:
    """Size, size after gzip, and the median latency in ms."""
    latency = model["latency_ms"]
    return _bytes(model["size_bytes"]), _bytes(model["gzip_bytes"]), f"{latency['p50']:.3g}" if latency else ""


def _chosen(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    variants: Sequence[Mapping[str, Any]] = summary["variants"]
    return next(variant for variant in variants if variant["name"] == summary["selected"])


def _smaller(summary: Mapping[str, Any]) -> list[str]:
    """How much smaller than the float baseline: the file, and what is left of it after gzip."""
    pairs = [(summary["baseline"][key], _chosen(summary)[key]) for key in ("size_bytes", "gzip_bytes")]
    if not all(before and after for before, after in pairs):
        return []
    raw, packed = (f"{before / after:.1f}" for before, after in pairs)
    return [f"{raw} times smaller than the float32 file, {packed} times after gzip"]


def _word(status: str) -> str:
    return status.replace("_", " ")


def _number(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{value:{sign}.4f}"


def _bytes(value: int | None) -> str:
    return "" if value is None else f"{value:,}"

"""The tree of a run on a terminal: how every branch of the plan is doing, and how long the rest may take."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text
from rich.tree import Tree

from pipeline.history import seconds_left
from pipeline.plan import Plan, describe
from pipeline.runner import NodeResult, State
from report.figures import whole_seconds

_STYLES = {
    State.COMPLETE: ("done", "green"),
    State.CACHED: ("cached", "cyan"),
    State.FAILED: ("failed", "red"),
    State.NOT_RUN: ("not run", "yellow"),
    State.INTERRUPTED: ("stopped", "yellow"),
}
_WORST_FIRST = (State.FAILED, State.INTERRUPTED, State.NOT_RUN, State.COMPLETE, State.CACHED)
_FRAMES = "|/-\\"


@dataclass(frozen=True)
class _Branch:
    """A line of the tree: nodes that people see as one thing."""

    label: str
    nodes: tuple[str, ...]
    parent: str | None = None


@dataclass
class RunTree:
    """What is known of a run; renders itself anew each time it is drawn.

    Attributes:
        branches: Lines of the tree by key, parents first.
        history: Seconds by node id in earlier runs.
        ended: How nodes ended, by id.
    """

    branches: Mapping[str, _Branch]
    history: Mapping[str, float]
    ended: dict[str, NodeResult] = field(default_factory=dict)
    _running: dict[str, float] = field(default_factory=dict)
    _progress: dict[str, str] = field(default_factory=dict)

    def start(self, node_id: str) -> None:
        """A node begins."""
        self._running[node_id] = time.monotonic()

    def epoch(self, node_id: str, done: int, planned: int, logs: Mapping[str, float]) -> None:
        """A running node finished an epoch; the metric on validation is shown, or the loss."""
        shown = [name for name in logs if name.startswith("val_") and not name.endswith("loss")]
        name = next(iter([*shown, *(name for name in ("val_loss", "loss") if name in logs)]), None)
        value = "" if name is None else f", {name.removeprefix('val_')} {logs[name]:.4f}"
        self._progress[node_id] = f"epoch {done}/{planned}{value}"

    def end(self, result: NodeResult) -> None:
        """A node ended."""
        self.ended[result.id] = result
        self._running.pop(result.id, None)
        self._progress.pop(result.id, None)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console, options
        now = time.monotonic()
        root = Tree(self._title(now))
        trees: dict[str | None, Tree] = {None: root}
        for key, branch in self.branches.items():
            trees[key] = trees.get(branch.parent, root).add(self._line(branch, now))
        yield root

    def _title(self, now: float) -> Text:
        everything = [node for branch in self.branches.values() for node in branch.nodes]
        waiting = [node for node in everything if node not in self.ended]
        if not waiting:
            return Text("run", style="bold")
        running = {node: now - since for node, since in self._running.items()}
        left = seconds_left(self.history, [node for node in waiting if node not in running], running)
        said = f"  {len(everything) - len(waiting)} of {len(everything)} nodes"
        eta = "" if left is None else f", at most about {whole_seconds(left)} left"
        return Text.assemble(("run", "bold"), (said + eta, "dim"), no_wrap=True, overflow="ellipsis")

    def _line(self, branch: _Branch, now: float) -> Text:
        ended = [self.ended[node] for node in branch.nodes if node in self.ended]
        seconds = sum(result.seconds or 0.0 for result in ended)
        text = Text(no_wrap=True, overflow="ellipsis")
        running = [node for node in branch.nodes if node in self._running]
        if running:
            took = seconds + sum(now - self._running[node] for node in running)
            frame = _FRAMES[int(now * 4) % len(_FRAMES)]
            text.append(f"{frame} ", "bold").append(branch.label, "bold").append(f"  {took:.1f} s")
            parts = [part for node in running for part in (node, self._progress.get(node, ""))]
            inside = ", ".join(part for part in parts if part and part != branch.label)
            return text.append(f"  {inside}" if inside else "", "cyan")
        if not ended:
            return text.append(f"  {branch.label}", "dim")
        worst = next(state for state in _WORST_FIRST if any(result.state is state for result in ended))
        finished = len(ended) == len(branch.nodes)
        word, style = _STYLES[worst] if finished or worst in _WORST_FIRST[:3] else ("waits", "dim")
        failed = [result.id for result in ended if result.state is State.FAILED and result.id != branch.label]
        text.append(f"  {branch.label}  ").append(f"{seconds:.1f} s  " if seconds else "").append(word, style)
        return text.append(f"  {', '.join(failed)}" if failed else "", "red")


def make_tree(plan: Plan, order: Sequence[str], root: str, history: Mapping[str, float]) -> RunTree:
    """The tree of a run: data, the float model, steps, variants, and what follows them.

    Args:
        plan: Steps and variants.
        order: Ids of all nodes of the graph in the order in which they run.
        root: Id of the node that gives the float model.
        history: Seconds by node id in earlier runs.
    """
    own = {step.id for step in plan.steps} | {node for variant in plan.variants for node in variant.finishing}
    rest = [node for node in order if node not in own]
    before = rest.index(root) if root in rest else 0
    branches = {"data": _Branch("data", tuple(rest[:before])), root: _Branch(root, (root,))}
    for step in plan.steps:
        branches[step.id] = _Branch(describe(step), (step.id,), step.parent or root)
    for variant in plan.variants:
        nodes = tuple(node for node in variant.finishing if node in order)
        branches[f"variant {variant.name}"] = _Branch(variant.name, nodes, variant.parent or root)
    branches["result"] = _Branch("select and push", tuple(rest[before + 1 :]))
    return RunTree({key: branch for key, branch in branches.items() if branch.nodes}, history)

"""`plan CONFIG`: the tree of variants, for people, for mermaid, or as JSON."""

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import run_log
from pipeline.commands.config_argument import add_config, load_config
from pipeline.config import Config
from pipeline.console import Console
from pipeline.errors import UserError
from pipeline.plan import Plan, VariantPlan, describe, make_plan, root_id
from pipeline.preflight import check_model_source

if TYPE_CHECKING:
    from rich.tree import Tree

HELP = "show the tree of variants that a configuration makes"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_config(parser)
    parser.add_argument(
        "--format", choices=("text", "mermaid"), default="text", help="a tree (default) or a mermaid flowchart"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="build or read the model and say what each step can take, which sizes come out, and what is in the way",
    )


def execute(args: argparse.Namespace, console: Console) -> int:
    """Prints the tree, and with `--check` what each variant would become."""
    config = load_config(args)
    plan = make_plan(config)
    if args.check:
        check_model_source(config)
    console.show(mermaid(config, plan) if args.format == "mermaid" else _tree(config, plan))
    return _check(config, plan, console) if args.check else _result(config, plan, console)


def _result(config: Config, plan: Plan, console: Console) -> int:
    console.result(graph(config, plan))
    return 0


def _check(config: Config, plan: Plan, console: Console) -> int:
    """Looks at the untrained model; 2 when a variant cannot work."""
    with tempfile.TemporaryDirectory() as folder, run_log.into(Path(folder) / "check.log"):
        # TensorFlow and its converter print a lot while they are imported already.
        from pipeline.forecast import make_forecast

        forecast = make_forecast(config, plan)
    if not console.json_mode:
        from pipeline.forecast_display import show

        console.show("")
        console.show(show(forecast))
    console.result({**graph(config, plan), "check": forecast.to_dict()})
    if not forecast.faults:
        return 0
    console.error("\n".join(forecast.faults), UserError.exit_code)
    return UserError.exit_code


def graph(config: Config, plan: Plan) -> dict[str, Any]:
    """Nodes and edges as JSON values; the float model is the root, or the search before it."""
    everyone, root = list(config.variants), root_id(config)
    kind = "train" if root == "trainer" else root
    nodes: list[dict[str, Any]] = [{"id": root, "kind": kind, "label": kind, "variants": everyone}]
    edges: list[dict[str, str]] = []
    if config.model.search is not None:
        nodes.insert(0, {"id": "search", "kind": "search", "label": "search", "variants": everyone})
        edges.append({"from": "search", "to": root})
    for node in plan.steps:
        users = list(node.variants)
        nodes.append({"id": node.id, "kind": node.kind, "label": describe(node), "variants": users})
        edges.append({"from": node.parent or root, "to": node.id})
    for variant in plan.variants:
        label = describe(variant.steps[-1])
        nodes.append({"id": variant.quantize_id, "kind": "quantize", "label": label, "variants": [variant.name]})
        nodes.append({"id": variant.gate_id, "kind": "gate", "label": "gate", "variants": [variant.name]})
        edges.append({"from": variant.parent or root, "to": variant.quantize_id})
        edges.append({"from": variant.quantize_id, "to": variant.gate_id})
        if variant.raw_id is not None:
            nodes.append({"id": variant.raw_id, "kind": "export", "label": "raw inputs", "variants": [variant.name]})
            edges.append({"from": variant.quantize_id, "to": variant.raw_id})
    return {"name": config.name, "select": config.select, "nodes": nodes, "edges": edges}


def mermaid(config: Config, plan: Plan) -> str:
    """The tree as a mermaid flowchart."""
    root = root_id(config)
    lines = ["flowchart LR", f'  {root}["{"train" if root == "trainer" else root}"]']
    lines += ['  search["search"] --> trainer'] if config.model.search else []
    lines += [f'  {node.parent or root} --> {node.id}["{describe(node)}"]' for node in plan.steps]
    for variant in plan.variants:
        lines.append(f'  {variant.parent or root} --> {variant.quantize_id}["{describe(variant.steps[-1])}"]')
        lines.append(f'  {variant.quantize_id} --> {variant.gate_id}{{"gate: {variant.name}"}}')
        if variant.raw_id is not None:
            lines.append(f'  {variant.quantize_id} --> {variant.raw_id}["raw inputs"] --> selector')
    lines += [f"  {variant.gate_id} --> selector" for variant in plan.variants]
    return "\n".join([*lines, '  selector["select"] --> edge-pusher["push"]'])


def _tree(config: Config, plan: Plan) -> "Tree":
    from rich.tree import Tree

    root = Tree(_root_label(config))
    branches: dict[str | None, Tree] = {None: root}
    for node in plan.steps:
        note = f"  [dim]shared by {len(node.variants)} variants[/]" if len(node.variants) > 1 else ""
        branches[node.id] = branches[node.parent].add(f"{describe(node)}  [dim]{node.id}[/]{note}")
    for variant in plan.variants:
        branches[variant.parent].add(_leaf(variant))
    return root


def _root_label(config: Config) -> str:
    from rich.markup import escape

    if config.model.pretrained is not None:
        return f"[bold]pretrained[/]  {escape(config.model.pretrained)}"
    search = config.model.search
    before = f", after a {search.algorithm} search of at most {search.trials} trials" if search else ""
    return f"[bold]train[/]  {escape(str(config.model.module))}, at most {config.train.epochs} epochs{before}"


def _leaf(variant: VariantPlan) -> str:
    raw = "" if variant.raw_id is None else f" -> raw inputs  [dim]{variant.raw_id}[/]"
    return f"{describe(variant.steps[-1])}  [dim]{variant.quantize_id}[/]{raw} -> [green]{variant.name}[/]"

"""The runs that the benchmark of scale measures: a workspace for each, and a process for each of its nodes."""

import json
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.results import FOLDER
from benchmarks.scale_process import Cost, cost_of

HERE = FOLDER / "scale"
DATA_NODES = ("ingest", "statistics")
GATE_NODES = ("transform", "answers", "gate")
REST = "whole run, without these"
EVAL_SHARE = 2 / 14
"""Of all examples, which is what the nodes of the gate read."""

MODES = ("float32", "float16", "dynamic", "int8")

Row = dict[str, Any]
Works = dict[str, Callable[[], list[Row]]]
"""What measures each node of a leg, in the order in which they must run."""

_CONFIG = """\
name: scale
seed: 1
data:
  format: npz
  path: {data}
  label: label
  arrays: {{image: image, label: label}}
  splits: {{train: 11, validation: 1, eval: 2}}
model: {{module: models.fashion_mnist, task: multiclass, hparams: {{filters: 4}}}}
train: {{epochs: 1, batch_size: 256}}
variants:
{variants}
gate: {{metric: accuracy, max_drop: 0.05}}
runtime: {{workspace: {workspace}}}
"""
_PREFIX = "prune: {sparsity: 0.5, epochs: 1, batch_size: 256}"


class Run:
    """A configuration and its workspace.

    Args:
        name: Of its folder; one that is there already is gone on with.
        examples: How many images.
        variants: Name to the settings of its quantization; all share what comes before.
    """

    def __init__(self, name: str, examples: int, variants: Mapping[str, str]) -> None:
        self.folder = HERE / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.artifacts = self.folder / "workspace" / "artifacts"
        steps = "\n".join(f"  {key}: [{_PREFIX}, quantize: {{{quantize}}}]" for key, quantize in variants.items())
        cost_of(["-m", "benchmarks.scale_data", str(HERE / "data"), str(examples)], self.folder / "log")
        data = (HERE / "data" / str(examples)).absolute()
        self._config = self.folder / "scale.yaml"
        self._config.write_text(
            _CONFIG.format(data=data, variants=steps, workspace=(self.folder / "workspace").absolute())
        )

    def node(self, node: str) -> tuple[Cost, float]:
        """Runs one node, those before it being done; its process, and the seconds between its start and its end."""
        cost = self._pipeline("--to", node)
        return cost, self.seconds()[node]

    def whole(self, done: Collection[str] = ()) -> Cost:
        """Runs all of it.

        Args:
            done: Nodes that were run before and may come from the cache.

        Raises:
            SystemExit: Others came from it too, of a run that was interrupted: the figures would be too small.
        """
        cost = self._pipeline()
        spared = [node["id"] for node in self._nodes() if node["cached"] and node["id"] not in done]
        if spared:
            raise SystemExit(
                f"all nodes must be measured, but {', '.join(spared)} came from the cache of a run that was "
                f"interrupted; remove {self.folder} and {HERE}/rows-*.unfinished, and measure anew"
            )
        return cost

    def seconds(self) -> dict[str, float]:
        """What each node of the last run took, those from the cache left out."""
        nodes = self._nodes()
        return {node["id"]: node["seconds"] for node in nodes if node["seconds"] is not None and not node["cached"]}

    def _nodes(self) -> list[dict[str, Any]]:
        """Those of the last run, as its summary tells of them."""
        last = max((self.folder / "workspace" / "runs").glob("*/summary.json"), key=lambda path: path.stat().st_mtime)
        nodes: list[dict[str, Any]] = json.loads(last.read_text())["nodes"]
        return nodes

    def process(self, *command: str) -> Cost:
        """Runs a module of this project."""
        return cost_of(["-m", *command], self.folder / "log")

    def _pipeline(self, *options: str) -> Cost:
        return self.process("pipeline", "run", str(self._config), "--quiet", *options)


def size_works(leg: str, examples: int, models: Path | None) -> Works:
    """What measures each node at one size.

    Args:
        leg: Its name.
        examples: The size.
        models: Artifacts of a whole run that brings the models; `None`: this one does.
    """
    run = Run(leg, examples, {"int8": "mode: int8"})
    works: Works = {}
    for node in DATA_NODES:
        works[node] = lambda node=node: [_row(leg, node, examples, *run.node(node))]
    if models is None:
        works[REST] = lambda: [_row(leg, REST, examples, run.whole(DATA_NODES), None)]
    places = [str(path) for path in (models or run.artifacts, run.artifacts, run.folder / "gate")]
    for node in GATE_NODES:
        command = ("benchmarks.scale_gate", node, *places)
        works[node] = lambda node=node, command=command: [
            _row(leg, node, examples * EVAL_SHARE, run.process(*command), None)
        ]
    return works


def variant_works(examples: int, counts: tuple[int, ...]) -> Works:
    """What measures whole runs with more and more variants that share all steps but the last."""
    return {str(count): lambda count=count: _variant_rows(examples, count) for count in counts}


def _variant_rows(examples: int, count: int) -> list[Row]:
    variants = {
        f"v{number:02}": f"mode: {MODES[number]}" if number < len(MODES) else f"mode: int8, {_calibration(number)}"
        for number in range(count)
    }
    # What an interrupted run has left in its cache would make this one look quick.
    shutil.rmtree(HERE / f"variants/{count}", ignore_errors=True)
    run, leg = Run(f"variants/{count}", examples, variants), f"{count} variants"
    cost = run.whole()
    own = {node: seconds for node, seconds in run.seconds().items() if node.rpartition("-")[2] in variants}
    shared = {node: seconds for node, seconds in run.seconds().items() if node not in own}
    return [
        _row(leg, "whole run", examples, cost, None),
        _empty(leg, "own nodes", examples) | {"own s": sum(own.values()), "nodes": len(own)},
        _empty(leg, "shared nodes", examples) | {"own s": sum(shared.values()), "nodes": len(shared)},
    ]


def _calibration(number: int) -> str:
    return f"calibration_examples: {500 + number}"


def _empty(leg: str, node: str, examples: float) -> Row:
    names = ("wall s", "own s", "cpu s", "peak MB", "written MB", "nodes")
    return {"leg": leg, "node": node, "examples": round(examples), **dict.fromkeys(names)}


def _row(leg: str, node: str, examples: float, cost: Cost, seconds: float | None) -> Row:
    known = asdict(cost)
    return _empty(leg, node, examples) | {
        "wall s": known["wall_s"],
        "own s": seconds,
        "cpu s": known["cpu_s"],
        "peak MB": known["peak_mb"],
        "written MB": known["written_mb"],
    }

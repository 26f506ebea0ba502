"""What the pipeline costs beside a script: Fashion-MNIST, the same variants, in turns on the same cores.

`benchmarks/plain_script.py` does by hand what `configs/fashion_mnist.yaml` asks for. Both run in processes of their
own, start to end, imports included; the quickest of each counts, for what else runs on the machine only ever adds. One
more run of the pipeline has clocks hung in (`benchmarks/timed_run.py`) and says where the time goes; it does not count.
`QUICK=1`: one epoch everywhere, each once. `REPEATS=1`: each once all the same. `NODES=2` runs the
pipeline with `runtime.parallel_nodes: 2`.
"""

import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.fashion_file import data_file
from benchmarks.results import finish, goal, quick, show
from benchmarks.timed_run import IMPORTS

CONFIG = Path("configs/fashion_mnist.yaml")
GOAL = 1.15
REPEATS = int(os.environ.get("REPEATS", "1" if quick() else "2"))
SCRIPT, PIPELINE = "plain script", "pipeline"
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Cost:
    """What a process and all that it started took, in seconds of the wall and of the processor."""

    wall: float
    cpu: float


def cost_of(command: list[str], log: Path) -> Cost:
    """Runs a command to its end.

    Raises:
        SystemExit: It failed; its log is shown.
    """
    before, begin = _cpu(), time.perf_counter()
    with log.open("wb") as stream:
        code = subprocess.run(command, stdout=stream, stderr=subprocess.STDOUT, check=False).returncode
    wall = time.perf_counter() - begin
    _wait_for_the_rest()
    if code:
        raise SystemExit(f"{' '.join(command)} must end well, but ended with {code}:\n{log.read_text()[-4000:]}")
    return Cost(wall, _cpu() - before)


def run_script(folder: Path) -> tuple[Cost, dict[str, Any]]:
    """The script's cost and what it wrote down."""
    folder.mkdir()
    command = [sys.executable, "-m", "benchmarks.plain_script", str(data_file()), str(folder)]
    cost = cost_of([*command, *(["quick"] if quick() else [])], folder / "log")
    return cost, json.loads((folder / "results.json").read_text())


def run_pipeline(folder: Path, *, timed: bool = False) -> tuple[Cost, dict[str, Any], dict[str, float]]:
    """The pipeline's cost in an empty workspace, its summary, and with clocks the seconds by cause."""
    folder.mkdir()
    config, seconds = folder / "config.yaml", folder / "seconds.json"
    config.write_text(yaml.safe_dump(configuration(), sort_keys=False))
    module = ["benchmarks.timed_run", str(seconds)] if timed else ["pipeline"]
    command = [sys.executable, "-m", *module, "run", str(config), "--workspace", str(folder / "workspace")]
    cost = cost_of(command, folder / "log")
    (summary,) = (folder / "workspace" / "runs").glob("*/summary.json")
    return cost, json.loads(summary.read_text()), json.loads(seconds.read_text()) if timed else {}


def configuration() -> dict[str, Any]:
    """The example's configuration, with the data where they are; the short form trains for one epoch."""
    config: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    config["data"]["path"] = str(data_file().resolve())
    if "NODES" in os.environ:
        config["runtime"]["parallel_nodes"] = int(os.environ["NODES"])
    if quick():
        config["train"]["epochs"] = 1
        for step in (step for steps in config["variants"].values() for step in steps):
            for settings in step.values():
                settings.update({"epochs": 1} if "epochs" in settings else {})
    # YAML 1.1 reads 1e-3 as text.
    config["train"]["learning_rate"] = float(config["train"]["learning_rate"])
    return config


def side_by_side(results: dict[str, Any], summary: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each file: what both made of it. A file that only one of them made is an error."""
    ours = {"float32": summary["baseline"], **{row["name"]: row for row in summary["variants"]}}
    theirs = results["variants"]
    if ours.keys() != theirs.keys():
        raise SystemExit(f"both must make the same files, got {sorted(theirs)} and {sorted(ours)}")
    return [
        {
            "file": name,
            "script accuracy": theirs[name]["accuracy"],
            "accuracy": row["value"],
            "script bytes": theirs[name]["size_bytes"],
            "bytes": row["size_bytes"],
            "script gzip": theirs[name]["gzip_bytes"],
            "gzip": row["gzip_bytes"],
            "script ms": theirs[name]["latency_ms"],
            "ms": row["latency_ms"]["p50"],
        }
        for name, row in ours.items()
    ]


def breakdown(
    script: Cost, results: dict[str, Any], run: Cost, seconds: dict[str, float], summary: dict[str, Any]
) -> list[dict[str, Any]]:
    """Where the seconds of either went; those of the pipeline by cause, then by node."""
    parts = dict(results["seconds"])
    rows = [(SCRIPT, what, taken) for what, taken in parts.items()]
    rows.append((SCRIPT, f"{IMPORTS}, and the process's start and end", script.wall - sum(parts.values())))
    rows += [(PIPELINE, cause, taken) for cause, taken in sorted(seconds.items(), key=lambda item: -item[1])]
    rows.append((PIPELINE, "the process's start and end", run.wall - sum(seconds.values())))
    rows += [("node", node["id"], node["seconds"] or 0.0) for node in summary["nodes"]]
    nodes = sum(node["seconds"] or 0.0 for node in summary["nodes"])
    rows.append(("node", "before the first node and after the last", run.wall - nodes))
    return [{"who": who, "what": what, "seconds": taken} for who, what, taken in rows]


def main() -> None:
    """Measures in turns and prints."""
    if sys.platform == "linux":
        # Servers that a run leaves behind end after it, and count for it: they become this process's children.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    scripts, pipelines = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for turn in range(REPEATS):
            scripts.append(run_script(folder / f"script-{turn}"))
            pipelines.append(run_pipeline(folder / f"pipeline-{turn}"))
        clocked = run_pipeline(folder / "clocked", timed=True)
    script, results = min(scripts, key=lambda one: one[0].wall)
    run, summary, _ = min(pipelines, key=lambda one: one[0].wall)
    if summary["status"] == "failed":
        raise SystemExit(f"the pipeline must not fail, but did: {summary['variants']}")
    show("the same work: what the script made, and what the pipeline made", side_by_side(results, summary))
    totals = [
        {"who": SCRIPT, "what": "wall", "seconds": script.wall},
        {"who": PIPELINE, "what": "wall", "seconds": run.wall},
        {"who": SCRIPT, "what": "processor", "seconds": script.cpu},
        {"who": PIPELINE, "what": "processor", "seconds": run.cpu},
    ]
    rows = [*totals, *breakdown(script, results, *(clocked[0], clocked[2], clocked[1]))]
    wall = goal("wall time, times the plain script's", run.wall / script.wall, GOAL, at_least=False)
    finish("overhead", rows, [wall])


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _wait_for_the_rest() -> None:
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


if __name__ == "__main__":
    main()

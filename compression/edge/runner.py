"""Starts the check's child process and says what became of it: a model may crash or hang, this process may not."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compression.edge.files import JOURNAL, MODEL, REQUEST, SAMPLE_PREFIX, SAMPLES

_ROOT = Path(__file__).resolve().parents[2]

_MUST = {
    "structure": "the file must be a TFLite model that can be read",
    "load": "the model must load in LiteRT and allocate its tensors",
    "answer": "the model must answer real examples in LiteRT",
    "latency": "the model must go on answering in LiteRT while it is timed",
    "tflite_micro": "the model must run in TensorFlow Lite Micro",
}


@dataclass(frozen=True)
class Outcome:
    """What a child process reported.

    Attributes:
        results: Stage -> what it found, for the stages that were done.
        fault: Why the model failed, in words; `None` when all stages were done.
    """

    results: Mapping[str, Mapping[str, Any]]
    fault: str | None


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit status (negative: the signal), what it printed, whether its time was over."""

    status: int
    output: str
    timed_out: bool


def write_request(folder: Path, model: bytes, samples: Mapping[str, np.ndarray], request: Mapping[str, object]) -> None:
    """Puts into a folder what the child reads there.

    Args:
        folder: An empty folder.
        model: The flatbuffer.
        samples: Arrays `[examples, ...]` by name.
        request: `kernels`, `threads`, `raw`, `time_limit_s`, and `latency_seconds` for a check.
    """
    (folder / MODEL).write_bytes(model)
    (folder / REQUEST).write_text(json.dumps(request))
    # The prefix keeps a feature named `file` from being taken for savez's own argument.
    np.savez(folder / SAMPLES, allow_pickle=False, **{SAMPLE_PREFIX + name: values for name, values in samples.items()})


def run_child(folder: Path, task: str, time_limit_s: float) -> Outcome:
    """Runs a task of `compression.edge.child` on a folder that `write_request` filled.

    Raises:
        RuntimeError: The child did not even start: an installation at fault, no model.
    """
    journal = folder / JOURNAL
    journal.unlink(missing_ok=True)
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    ended = run_limited(
        [sys.executable, "-m", "compression.edge.child", str(folder), task], time_limit_s, environment, folder
    )
    results, begun, fault = _read(journal)
    if begun is None and not ended.timed_out:
        raise RuntimeError(
            f"the edge check must be able to start {sys.executable} with LiteRT; it ended with status {ended.status}: "
            f"{ended.output[-2000:].strip()}. Run `make setup`."
        )
    if fault is not None:
        return Outcome(results, f"{_MUST[str(begun)]}, but: {fault}")
    unfinished = begun is None or begun not in results or ended.timed_out
    if not unfinished and ended.status == 0:
        return Outcome(results, None)
    must = _MUST.get(str(begun), "the model must be checked in time")
    return Outcome(results, f"{must}, but {_how(ended, time_limit_s)}")


def run_limited(command: Sequence[str], time_limit_s: float, environment: Mapping[str, str], folder: Path) -> Ended:
    """Runs a command in a process group of its own and ends all of it when the time is over or this call is left.

    Args:
        command: Program and arguments.
        time_limit_s: Wall-clock limit in seconds.
        environment: Its environment.
        folder: A folder to work in; also takes what the command prints, in `output.txt`.
    """
    path = folder / "output.txt"
    with path.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
        )
        timed_out = False
        try:
            process.wait(time_limit_s)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            # What it started itself may outlive it; an ended group is no error.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return Ended(process.returncode, path.read_text(errors="replace"), timed_out)


def program(name: str) -> str | None:
    """A program beside this Python, else one on the PATH."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)


def _read(journal: Path) -> tuple[dict[str, Any], str | None, str | None]:
    """Results by stage, the last stage that began, and its fault."""
    results: dict[str, Any] = {}
    begun = fault = None
    lines = journal.read_text().splitlines() if journal.exists() else []
    for line in lines:
        entry = json.loads(line)
        begun, fault = entry["stage"], entry.get("fault")
        if "done" in entry:
            results[begun] = entry["done"]
    return results, begun, fault


def _how(ended: Ended, time_limit_s: float) -> str:
    if ended.timed_out or -ended.status == signal.SIGALRM:
        return f"it was not done after {time_limit_s:g} s; it hangs or is far too slow for an edge device"
    if ended.status < 0:
        try:
            name = signal.Signals(-ended.status).name
        except ValueError:
            name = f"signal {-ended.status}"
        return f"the process died of {name}; the file is damaged or meets a fault of the runtime: convert it again"
    last = ended.output.strip().splitlines()[-1:] or ["nothing"]
    return f"the process ended with status {ended.status} and said: {last[0][:500]}"

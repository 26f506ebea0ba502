"""The child process of the edge check: `python -m compression.edge.child FOLDER TASK`.

Reads `request.json` and `samples.npz` in the folder and appends a line to `journal.jsonl` when a stage begins and when
it is done, so that what was measured before a crash is kept and the parent knows what the process died of. Imports
LiteRT and NumPy only: with TensorFlow every model would pay seconds for starting.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from compression.edge import arena, graph, latency, litert, macs, tflite_micro
from compression.edge.files import ANSWERS, JOURNAL, MODEL, REQUEST, SAMPLE_PREFIX, SAMPLES

_KEPT_ANSWERS = 10
_ANSWER_SECONDS = 5.0

Report = dict[str, Any]


class _Fault(Exception):
    """The model failed; the journal says how."""


class _Journal:
    """What happened, in a file that outlives this process."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def stage(self, name: str) -> Iterator[Report]:
        """Notes the beginning and the result, or what went wrong."""
        self._append({"stage": name})
        report: Report = {}
        try:
            yield report
        # A damaged model makes LiteRT and NumPy raise about anything; whatever it is, the model is what failed.
        except Exception as error:
            plain = isinstance(error, ValueError | RuntimeError) and str(error)
            said = str(error) if plain else f"{type(error).__name__} {error}".strip()
            self._append({"stage": name, "fault": said[:2000]})
            raise _Fault from error
        self._append({"stage": name, "done": report})

    def _append(self, entry: Report) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(entry) + "\n")


def _structure(model: bytes, report: Report) -> None:
    read = graph.read_graph(model)
    report |= {
        "operators": read.operator_counts,
        "custom_operators": read.custom_operators,
        "input_dtypes": read.dtypes(read.inputs),
        "output_dtypes": read.dtypes(read.outputs),
        "not_measured": {},
    }
    try:
        report["macs"] = macs.macs(read)
    except macs.NotCounted as reason:
        report["not_measured"]["macs"] = str(reason)
    try:
        report |= asdict(arena.plan(read))
    except arena.NotPlanned as reason:
        report["not_measured"] |= dict.fromkeys(("arena_bytes", "tensor_bytes"), str(reason))


def _load_and_ask(folder: Path, request: Report, journal: _Journal) -> tuple[litert.Session, litert.Answers]:
    with journal.stage("load"):
        model = (folder / MODEL).read_bytes()
        session = litert.Session(model, request["kernels"], request["threads"])
    with np.load(folder / SAMPLES) as samples:
        features = {name.removeprefix(SAMPLE_PREFIX): samples[name] for name in samples.files}
    with journal.stage("answer") as report:
        answers = litert.ask(session, features, raw=request["raw"], seconds=_ANSWER_SECONDS)
        report |= {
            "examples": len(answers.outputs),
            "finite": answers.finite,
            "deterministic": answers.deterministic,
            "inputs": [port.name for port in session.inputs],
            "outputs": [port.name for port in session.outputs],
        }
        _save(folder / ANSWERS, session, answers)
    return session, answers


def _save(path: Path, session: litert.Session, answers: litert.Answers) -> None:
    """`input/<i>` and `output/<i>`, `[examples, ...]`, in the order of the graph."""
    arrays = {}
    for kind, ports, examples in (
        ("input", session.inputs, answers.inputs),
        ("output", session.outputs, answers.outputs),
    ):
        for position, port in enumerate(ports):
            arrays[f"{kind}/{position}"] = np.concatenate([one[port.name] for one in examples[:_KEPT_ANSWERS]])
    np.savez(path, allow_pickle=False, **arrays)


def _check(folder: Path, request: Report, journal: _Journal) -> None:
    with journal.stage("structure") as report:
        _structure((folder / MODEL).read_bytes(), report)
    session, answers = _load_and_ask(folder, request, journal)
    with journal.stage("latency") as report:
        prepare = [partial(session.set_inputs, example) for example in answers.inputs[:_KEPT_ANSWERS]]
        report |= asdict(latency.measure(prepare, session.invoke, request["latency_seconds"]))


def _answer(folder: Path, request: Report, journal: _Journal) -> None:
    _load_and_ask(folder, request, journal)


def _tflite_micro(folder: Path, request: Report, journal: _Journal) -> None:
    del request
    with journal.stage("tflite_micro") as report, np.load(folder / ANSWERS) as answers:
        report |= tflite_micro.run((folder / MODEL).read_bytes(), answers)


TASKS: dict[str, Callable[[Path, Report, _Journal], None]] = {
    "check": _check,
    "answer": _answer,
    "tflite_micro": _tflite_micro,
}


def _limit(seconds: float) -> None:
    """Bounds time (should the parent be killed) and memory, and keeps a crash from leaving a core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A model that asks for more than the machine has must fail here, and not make the kernel end some other process.
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    # The default action of SIGALRM ends the process in the middle of a kernel too; a Python handler would wait.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds + 1.0)


def main() -> int:
    """0 when the task was done, also when it found the model at fault."""
    folder, task = Path(sys.argv[1]), sys.argv[2]
    request = json.loads((folder / REQUEST).read_text())
    _limit(request["time_limit_s"])
    journal = _Journal(folder / JOURNAL)
    with journal.stage("start"):
        pass
    try:
        TASKS[task](folder, request, journal)
    except _Fault:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())

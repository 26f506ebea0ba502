"""`python -m benchmarks.timed_run FILE run CONFIG ...`: our own command line with clocks hung in, which FILE receives.

The clocks wrap functions of this process; what other processes do counts where this one waits for them. A clock stops
while another one inside it runs, so that their times add up.
"""

import builtins
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident, main_thread
from typing import Any

IMPORTS, OTHER = "imports", "all else, in nodes and between them"

PLACES: dict[str, tuple[str, ...]] = {
    "MLMD: driver and publisher": (
        "tfx.orchestration.portable.launcher:Launcher._prepare_execution",
        "tfx.orchestration.portable.launcher:Launcher._publish_successful_execution",
        "tfx.orchestration.portable.launcher:Launcher._clean_up_stateless_execution_info",
        "tfx.orchestration.portable.launcher:Launcher._clean_up_stateful_execution_info",
        "tfx.orchestration.portable.execution_watcher:ExecutionWatcher.start",
        "tfx.orchestration.portable.execution_watcher:ExecutionWatcher.stop",
        "pipeline.runner:LocalRun._outputs",
        "pipeline.runner:LocalRun._state",
    ),
    "Beam": ("apache_beam.pipeline:Pipeline.run",),
    "models: save": ("compression.keras_models:save",),
    "models: load": ("compression.keras_models:load",),
    "training": ("tf_keras.src.engine.training:Model.fit",),
    "training: around the fits": (
        "components.train:train",
        "components.steps:prune",
        "components.steps:quantization_aware",
    ),
    "conversion, audit, layer errors": ("compression.isolation:run",),
    "edge check": ("components.edge_check:check", "components.edge_check:golden"),
    "graph": ("pipeline.graph:build", "pipeline.runner:LocalRun.__init__"),
    "check of the model": ("pipeline.model_preflight:check_model",),
    "check of configuration and data": ("pipeline.commands.run:check", "pipeline.commands.run:warnings"),
    "report": ("report.run_page:render", "pipeline.report_files:after_run"),
}
"""Cause -> `module:function`s that count for it, named where they are looked up."""


class Clocks:
    """Seconds of the main thread by cause; every second counts once."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._stack = [OTHER]
        self._since = time.perf_counter()
        self._waiting = {place: cause for cause, places in PLACES.items() for place in places}

    @contextmanager
    def of(self, cause: str) -> Iterator[None]:
        """The block counts for `cause`; other threads' blocks count for what the main thread does meanwhile."""
        if get_ident() != main_thread().ident:
            yield
            return
        self._turn()
        self._stack.append(cause)
        try:
            yield
        finally:
            self._turn()
            self._stack.pop()

    def finish(self) -> dict[str, float]:
        """All seconds so far; what never came to be wrapped is an error: the places would be out of date."""
        self._turn()
        if self._waiting:
            raise SystemExit(f"clocks must find all their places, but these were never imported: {[*self._waiting]}")
        return self.seconds

    def importing(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """`__import__`, or `import_module`, that times the outermost import and wraps what it brought."""

        def timed(name: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the builtin
            if self._stack[-1] == IMPORTS or get_ident() != main_thread().ident:
                return original(name, *args, **kwargs)
            with self.of(IMPORTS):
                module = original(name, *args, **kwargs)
            self._wrap_what_is_there()
            return module

        return timed

    def _turn(self) -> None:
        now = time.perf_counter()
        self.seconds[self._stack[-1]] = self.seconds.get(self._stack[-1], 0.0) + now - self._since
        self._since = now

    def _wrap_what_is_there(self) -> None:
        for place in [*self._waiting]:
            module, _, path = place.partition(":")
            *holders, name = path.split(".")
            holder: Any = sys.modules.get(module)
            if holder is None or getattr(holder.__spec__, "_initializing", False):
                continue
            for part in holders:
                holder = getattr(holder, part)
            setattr(holder, name, self._timed(getattr(holder, name), self._waiting.pop(place)))

    def _timed(self, function: Callable[..., Any], cause: str) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any function
            with self.of(cause):
                return function(*args, **kwargs)

        timed.__wrapped__ = function  # type: ignore[attr-defined]
        return timed


def main(path: Path, arguments: list[str]) -> int:
    """Runs the command line and writes its seconds."""
    clocks = Clocks()
    builtins.__import__ = clocks.importing(builtins.__import__)
    importlib.import_module = clocks.importing(importlib.import_module)
    command_line = importlib.import_module("pipeline.cli")
    try:
        return int(command_line.main(arguments))
    finally:
        path.write_text(json.dumps(clocks.finish(), indent=1))


if __name__ == "__main__":
    code = main(Path(sys.argv[1]), sys.argv[2:])
    importlib.import_module("pipeline.__main__").leave(code)

"""Crash test: SIGKILL at random moments over cycles on real digits, the push included (`make chaos`).

After every kill the registry must verify, `current.json` must name a whole version, and the next cycle must complete.
`KILLS` says how many (60), `SEED` which moments, `FOLDER` keeps the world for a look afterwards.

Commands run in forked processes of this one, which has imported everything and executed nothing: what a kill meets is
the same, and a cycle does not spend most of its time on imports.
"""

# ruff: noqa: T201 (a benchmark talks on standard output)

import importlib
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks.chaos_process import Command, Moment, Progress, kill_at, nodes_in
from benchmarks.chaos_world import World
from benchmarks.results import finish, goal

IMPORTED = ("tfx", "pipeline.graph", "pipeline.local", "pipeline.outcome", "pipeline.display", "pipeline.verify")
CYCLE_S = 300.0

PHASES: dict[str, tuple[str, ...]] = {
    "start": (),
    "data": ("ingest", "statistics", "schema", "validator", "data-guard", "transform"),
    "train": ("champion", "trainer"),
    "compress": ("baseline", "quantize-int8"),
    "judge": ("baseline-answers", "champion-answers", "gate-int8", "edge-baseline", "edge-int8", "selector"),
    "push": ("edge-pusher",),
    "close": ("summary",),
}
"""Nodes by what a cycle is doing; before the first it decides, after the last it writes down what became of it."""

LASTS_S = {"start": 1.5, "data": 10.0, "train": 3.0, "compress": 5.0, "judge": 2.0, "push": 0.1, "close": 0.2}
"""About how long a phase lasts, within which the moment is chosen; a kill counts for the phase that it meets."""

SHARES = {"start": 5, "data": 8, "train": 9, "compress": 8, "judge": 8, "push": 16, "close": 6}
"""Of 60 kills: the push takes milliseconds of a cycle, and would hardly ever be met."""


@dataclass
class Kill:
    """One kill and what came after it.

    Attributes:
        aimed: The phase that was aimed at.
        phase: The phase that it met.
        node: The node that was running; empty before the first.
        after_s: Seconds after the start of the process.
        left: What a push has left: `nothing`, `files beside`, `a version, not current`, `a current version`.
        faults: What was wrong afterwards; empty when all held.
        recovery_s: How long the next cycle took.
        recovered: How the next cycle ended, in its own words.
    """

    aimed: str
    phase: str
    node: str
    after_s: float
    left: str
    faults: list[str] = field(default_factory=list)
    recovery_s: float = 0.0
    recovered: str = ""


def plan(kills: int, chance: random.Random) -> list[str]:
    """Phases to aim at, in random order; what cannot be shared out goes to the shortest phases, such as the push."""
    aims = [phase for phase, share in SHARES.items() for _ in range(share * kills // sum(SHARES.values()))]
    aims += sorted(SHARES, key=lambda phase: LASTS_S[phase])[: kills - len(aims)]
    chance.shuffle(aims)
    return aims


class Chaos:
    """Kills cycles in a world and looks what is left.

    Args:
        folder: Holds the world.
        seed: Of every choice.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._chance = random.Random(seed)
        self._folder = folder
        self._world = World(folder, seed)
        self.missed = 0
        self._commands = 0
        self._order: list[str] = []

    def first_cycle(self) -> None:
        """There must be something to lose."""
        code, output, _ = self._command("cycle", str(self._world.config), "--once")
        if code or self._world.current() != 1:
            sys.exit(f"the first cycle must push version 1, but it ended with {code}: {output}")
        self._order = nodes_in(self._folder / "output" / f"{self._commands:04d}.txt")

    def kills(self, count: int) -> Iterator[Kill]:
        """Kills until so many cycles were hit."""
        for aimed in plan(count, self._chance):
            lasts_s = LASTS_S[aimed]
            while (kill := self._kill(aimed, lasts_s)) is None:
                self.missed += 1
                # This machine is faster than thought.
                lasts_s /= 2
            yield kill

    def _kill(self, aimed: str, lasts_s: float) -> Kill | None:
        """One kill; None when the cycle ended before its moment came."""
        world = self._world
        change = {"data": world.new_data, "train": world.new_training, "compress": world.new_training}
        change.get(aimed, world.new_judgement)()
        before, current = world.versions(), world.current()
        command = Command(["cycle", str(world.config), "--once"], self._output())
        progress = Progress(command.output, self._order)
        hit = kill_at(command, progress, self._moment(aimed, lasts_s, before))
        after_s = time.monotonic() - command.started
        if not hit:
            return None
        begun = progress.begun()
        node = begun[-1] if begun else ""
        phase = next((phase for phase, nodes in PHASES.items() if node in nodes), "start" if not node else "data")
        kill = Kill(aimed, phase, node, round(after_s, 2), self._left(before, current))
        self._check(kill)
        return kill

    def _moment(self, aimed: str, lasts_s: float, before: list[int]) -> Moment:
        """Most kills of a push wait for its first file, because it is over a moment later."""
        sign = None
        delay_s = self._chance.uniform(0, lasts_s)
        if aimed == "push" and self._chance.random() < 0.7:
            sign = lambda: bool(self._world.begun()) or self._world.versions() != before  # noqa: E731 - short
            delay_s = self._chance.uniform(0, 0.008)
        return Moment(frozenset(PHASES[aimed]), sign, delay_s)

    def _left(self, before: list[int], current: int | None) -> str:
        world = self._world
        if world.current() != current:
            return "a current version"
        if world.versions() != before:
            return "a version, not current"
        return "files beside" if world.begun() else "nothing"

    def _check(self, kill: Kill) -> None:
        kill.faults += self._registry("after the kill")
        code, output, seconds = self._command("cycle", str(self._world.config), "--once")
        kill.recovery_s = round(seconds, 1)
        ending = [line for line in output.splitlines() if line.startswith("cycle    ")]
        kill.recovered = ending[-1].split(maxsplit=2)[2] if ending else "nothing new"
        if code:
            kill.faults.append(f"the next cycle ended with {code}: {output[-500:]}")
        # A kill may come after all was written down; then there is nothing left to do.
        elif "pushed version" not in kill.recovered and not (kill.phase == "close" and not ending):
            kill.faults.append(f"the next cycle must push, but: {kill.recovered}")
        kill.faults += self._registry("after the next cycle")
        if self._world.begun():
            kill.faults.append(f"the next push must remove what was left, but {self._world.begun()} is there")

    def _registry(self, when: str) -> list[str]:
        """What is wrong with the registry, by its own command and by looking at the files of all versions.

        The command computes golden pairs anew, a third of a second for each version: of the newest and the current
        one, and of all of them at the end.
        """
        newest = {self._world.versions()[-1], self._world.current() or self._world.versions()[-1]}
        said = [fault for number in sorted(newest) for fault in self.verify(str(number))]
        return [f"{when}: {fault}" for fault in (*said, *self._world.registry_faults())]

    def verify(self, *versions: str) -> list[str]:
        """What `registry verify` finds."""
        code, output, _ = self._command("registry", "verify", str(self._world.config), *versions)
        return [f"registry verify ended with {code}: {output}"] if code else []

    def _command(self, *arguments: str) -> tuple[int, str, float]:
        """Exit code, output and seconds of a command."""
        command = Command(arguments, self._output())
        code = command.wait(CYCLE_S)
        return code, command.output.read_text(errors="replace"), time.monotonic() - command.started

    def _output(self) -> Path:
        self._commands += 1
        folder = self._folder / "output"
        folder.mkdir(exist_ok=True)
        return folder / f"{self._commands:04d}.txt"


def table(kills: list[Kill]) -> list[dict[str, Any]]:
    """Kills and what they left, by phase."""
    rows = []
    for phase in PHASES:
        met = [kill for kill in kills if kill.phase == phase]
        left = Counter(kill.left for kill in met)
        rows.append(
            {
                "phase": phase,
                "kills": len(met),
                **{name: left[name] for name in ("files beside", "a version, not current", "a current version")},
                "recovery s": sum(kill.recovery_s for kill in met) / len(met) if met else 0.0,
                "faults": sum(bool(kill.faults) for kill in met),
            }
        )
    return rows


def main() -> int:
    """Returns 1 when anything did not hold."""
    count, seed = int(os.environ.get("KILLS", "60")), int(os.environ.get("SEED", "1"))
    begin = time.monotonic()
    for module in IMPORTED:
        importlib.import_module(module)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(os.environ.get("FOLDER") or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        chaos = Chaos(folder, seed)
        chaos.first_cycle()
        kills = []
        for kill in chaos.kills(count):
            kills.append(kill)
            where = f"in {kill.node}" if kill.node else "before the first node"
            print(f"kill {len(kills):3d}  {kill.phase:<9} {where}, left {kill.left}; then {kill.recovered}", flush=True)
            for fault in kill.faults:
                print(f"  FAULT {fault}", flush=True)
    torn = chaos.verify()
    for fault in torn:
        print(f"FAULT {fault}", flush=True)
    faulty = sum(bool(kill.faults) for kill in kills) + len(torn)
    goals = [
        goal("kills", len(kills), count, at_least=True),
        goal("kills after which something did not hold", faulty, 0, at_least=False),
    ]
    rows = [{**row, "all": [asdict(kill) for kill in kills if kill.phase == row["phase"]]} for row in table(kills)]
    finish("chaos", rows, goals, hidden=("all",))
    minutes = (time.monotonic() - begin) / 60
    print(f"{chaos.missed} cycles ended before their moment came; seed {seed}, {minutes:.1f} minutes")
    return int(faulty > 0)


if __name__ == "__main__":
    sys.exit(main())

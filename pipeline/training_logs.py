"""Who keeps the curves of a run's training, if anybody does."""

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.config import Config
from pipeline.console import Console
from pipeline.plan import Plan, root_id
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.runner import NodeResult
    from pipeline.tensorboard import TrainingLogs


class NoLogs:
    """Keeps nothing; the usual case, which does not pay for importing TensorBoard."""

    def start(self, node_id: str) -> None:
        """A node begins."""

    def epoch(self, done: int, planned: int, logs: Mapping[str, float]) -> None:
        """An epoch ended."""

    def end(self, result: "NodeResult") -> None:
        """A node ended."""


def training_logs(
    config: Config, plan: Plan, workspace: Workspace, run_id: str, console: Console
) -> "TrainingLogs | NoLogs":
    """What `runtime.tensorboard` asks for; says how the curves are looked at."""
    if not config.runtime.tensorboard:
        return NoLogs()
    from pipeline.tensorboard import TrainingLogs

    training = {root_id(config), *(step.id for step in plan.steps)} - {"pretrained"}
    logs = TrainingLogs(workspace.tensorboard, run_id, training, console.warn)
    console.say(f"curves: tensorboard --logdir {shlex.quote(str(logs.folder))}")
    return logs

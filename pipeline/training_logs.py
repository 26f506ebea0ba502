"""Who keeps the curves of a run's training, if anybody does."""

import shlex
from typing import TYPE_CHECKING

from pipeline.config import Config
from pipeline.console import Console
from pipeline.plan import Plan, root_id
from pipeline.workspace import Workspace

if TYPE_CHECKING:
    from pipeline.tensorboard import TrainingLogs


def training_logs(
    config: Config, plan: Plan, workspace: Workspace, run_id: str, console: Console
) -> "list[TrainingLogs]":
    """What `runtime.tensorboard` asks for, a listener or none; says how the curves are looked at."""
    if not config.runtime.tensorboard:
        return []
    # Not for everybody: it imports TensorBoard.
    from pipeline.tensorboard import TrainingLogs

    training = {root_id(config), *(step.id for step in plan.steps)} - {"pretrained"}
    logs = TrainingLogs(workspace.tensorboard, run_id, training, console.warn)
    console.say(f"curves: tensorboard --logdir {shlex.quote(str(logs.folder))}")
    return [logs]

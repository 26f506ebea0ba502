"""What can be said about the model before any data is read: it is there, and every step can take it."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import cast

from tensorflow import keras

from components import model_module
from components.errors import InputError
from components.pretrained_spec import PretrainedSpec
from components.targets import to_text
from compression import keras_models
from compression.errors import CompressionError
from compression.pretrained import load_pretrained
from compression.preview.steps import BuildStudent, Preview
from compression.search.space import Point
from compression.search.space import describe as describe_point
from compression.settings import DistillSettings, Settings
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.plan import Plan, StepNode, describe
from pipeline.steps import STEPS


@dataclass(frozen=True)
class Start:
    """The float model that all variants begin with.

    Attributes:
        model: Built and untrained, or trained elsewhere.
        module: The model module, if there is one.
        point: What a search would try here; empty without a search.
    """

    model: keras.Model
    module: model_module.ModelModule | None
    point: Point = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The point for messages; empty without a search."""
        return f"with {describe_point(self.point)}: " if self.point else ""


@dataclass(frozen=True)
class Foreseen:
    """A step of the plan, seen before it is run.

    Attributes:
        model: What it would work on; `None` when a step before it cannot be taken.
        preview: What it would do; `None` when it cannot be taken.
        fault: Why it cannot be taken; `None` when it can.
        after: The model as it would leave it, apart from training, where weights were asked for.
    """

    model: keras.Model | None
    preview: Preview | None = None
    fault: str | None = None
    after: keras.Model | None = None


def check_model(config: Config, plan: Plan) -> PretrainedSpec | None:
    """Builds or reads the model and asks every training step whether it can take its layers.

    With a search, the models at the extremes of its space are asked, one hyper-parameter at a time.

    Returns:
        What is known of a model that was trained elsewhere; `None` for one that will be trained.

    Raises:
        UserError: With the first fault of the module, its search space or the pretrained model, or all faults of the
            steps.
    """
    found = starts(config)
    faults = [fault for start in found for fault in step_faults(config, plan, start, foresee(config, plan, start))]
    if faults:
        raise UserError("\n".join(faults))
    return None if config.model.pretrained is None else PretrainedSpec.of(config.model.pretrained, found[0].model)


def starts(config: Config) -> list[Start]:
    """The model that is trained elsewhere or will be; with a search, the models at the extremes of its space.

    Raises:
        UserError: The module, its search space, or the pretrained model cannot be used.
    """
    key, words = ("model", "module"), ""
    try:
        if config.model.pretrained is not None:
            named = config.model.module
            module = None if named is None else model_module.load(named, needs=["preprocessing_fn"])
            key = ("model", "pretrained")
            model = load_pretrained(config.model.pretrained)
            keras_models.check_model(model, task=config.tasks)
            return [Start(model, module)]
        module = model_module.load(str(config.model.module))
        points: list[Point] = [{}]
        if config.model.search is not None:
            key = ("model", "search")
            points = module.space(fixed=config.model.hparams).extremes()
        found = []
        for point in points:
            words = f"with {describe_point(point)}: " if point else ""
            model = module.build({**config.model.hparams, **point}, task=to_text(config.tasks))
            found.append(Start(model, module, point))
    except (InputError, CompressionError) as error:
        raise UserError(f"{config.where(*key)}: {words}{error}") from error
    return found


def foresee(config: Config, plan: Plan, start: Start, *, weights: bool = False) -> dict[str, Foreseen]:
    """What every training step of the plan would do, by node id.

    Args:
        config: The configuration.
        plan: Its plan.
        start: The float model.
        weights: Whether steps see the weights that steps before would leave, and not the layers alone. It takes longer.
    """
    seen: dict[str, Foreseen] = {}
    for step in plan.steps:
        before = None if step.parent is None else seen[step.parent]
        if before is not None and before.preview is None:
            seen[step.id] = Foreseen(None)
            continue
        model = start.model
        if before is not None and before.preview is not None:
            model = before.after if weights else before.preview.network
        try:
            preview = _preview(step)(model, step.settings, partial(_student, config, start))
            seen[step.id] = Foreseen(model, preview, after=preview.after() if weights else None)
        except (CompressionError, InputError) as error:
            seen[step.id] = Foreseen(model, fault=str(error))
    return seen


def step_faults(config: Config, plan: Plan, start: Start, seen: dict[str, Foreseen]) -> list[str]:
    """One line for each step that cannot be taken, with its place in the configuration."""
    return [
        f"{config.where('variants', step.variants[0])}: {describe(step)}: {start.words}{seen[step.id].fault}"
        for step in plan.steps
        if seen[step.id].fault is not None
    ]


def _preview(step: StepNode) -> Callable[[keras.Model, Settings, BuildStudent], Preview]:
    module, _, name = str(STEPS[step.kind].preview).rpartition(".")
    return cast(
        Callable[[keras.Model, Settings, BuildStudent], Preview], getattr(importlib.import_module(module), name)
    )


def _student(config: Config, start: Start, settings: DistillSettings) -> keras.Model:
    assert start.module is not None, "the configuration refuses a student without a module"
    hparams = {**config.model.hparams, **start.point, **settings.hparams}
    return start.module.student(hparams, task=to_text(config.tasks), features=set(start.model.input_names))

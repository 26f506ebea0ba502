"""`tuner_fn` of the Tuner: KerasTuner's loop around our trials.

KerasTuner sees Keras 3 and refuses the models of tf_keras, so of its tuners only the base class serves, with a
loop of its own. What it writes is thrown away: `TrialStore` keeps the trials, and a search that is resumed goes through
the same points again and finds them there.
"""

import functools
import logging
from collections.abc import Callable
from typing import Any

import keras_tuner
import tensorflow_transform as tft
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial as TunerTrial
from keras_tuner.engine.trial import TrialStatus
from tensorflow import keras
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.components.tuner.component import TunerFnResult

from components import model_module
from components.targets import from_text
from components.transformed_data import transformed_records
from components.trials import Trials, TrialStore
from compression.outputs import packed
from compression.records import TrainingRecords
from compression.search.best import best
from compression.search.proposal import POINTS_PER_TRIAL, candidates, propose
from compression.search.space import Point, Space, describe
from compression.search.trial import Experiment, Status, Trial
from compression.settings import SearchSettings, TrainSettings
from compression.settings.metrics import metric_row
from compression.settings.reading import ReadingSettings

_log = logging.getLogger(__name__)


def tuner_fn(fn_args: FnArgs) -> TunerFnResult:
    """Makes the tuner; `fn_args.custom_config` is what `components.search.Search` puts there."""
    config = fn_args.custom_config
    module = model_module.load(config["module"])
    settings = SearchSettings.model_validate(config["search"])
    train = TrainSettings.model_validate(config["train"])
    records, features = _records(fn_args, module)
    experiment = Experiment(records.for_features, settings, train, config["metric"], config["seed"])

    def build(point: Point) -> keras.Model:
        return module.build({**config["hparams"], **point}, task=config["task"], features=features)

    key = {name: config[name] for name in ("module", "hparams", "task", "label", "metric", "seed", "code_sha256")}
    key |= {"reading": config["reading"]}
    key |= {"train": settings.training(train).model_dump(mode="json"), "mode": settings.mode}
    key |= {"data": records.for_features(sorted(features)).content_sha256()}
    oracle = Oracle(module.space(fixed=config["hparams"]), settings, metric=config["metric"], seed=config["seed"])
    trials = Trials(build, experiment, TrialStore(config["trials_uri"], key))
    return TunerFnResult(Searcher(oracle, trials.run, fn_args.working_dir), {})


def _records(fn_args: FnArgs, module: model_module.ModelModule) -> tuple[TrainingRecords, set[str]]:
    """The data, and the names of all transformed features."""
    config = fn_args.custom_config
    transform = tft.TFTransformOutput(fn_args.transform_graph_path)
    train, validation = (
        transformed_records(patterns, transform, config["label"], config["task"])
        for patterns in (fn_args.train_files, fn_args.eval_files)
    )
    features = set(transform.transformed_feature_spec()) - set(from_text(config["label"]).values())
    reading = ReadingSettings.model_validate(config["reading"])
    task = packed(from_text(config["task"]))
    return TrainingRecords(train, validation, task, config["seed"], reading, module.augment), features


class Oracle(keras_tuner.Oracle):
    """Hands out the points that `compression.search.proposal` proposes.

    Attributes:
        done: The trials so far.
    """

    def __init__(self, space: Space, settings: SearchSettings, *, metric: str, seed: int) -> None:
        direction = "max" if metric_row(metric).higher_is_better else "min"
        super().__init__(
            objective=keras_tuner.Objective(metric, direction),
            max_trials=POINTS_PER_TRIAL * settings.trials,
            hyperparameters=_declare(space),
            allow_new_entries=False,
            # Its own limit would end the search after three models in a row that are over a budget.
            max_consecutive_failed_trials=POINTS_PER_TRIAL * settings.trials + 1,
        )
        self.verbose = 0
        self.settings = settings
        self.done: list[Trial] = []
        points = candidates(space, settings, seed)
        self._next = functools.partial(propose, points, space=space, settings=settings, metric=metric, seed=seed)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The next point, in KerasTuner's form."""
        del trial_id
        point = self._next(done=self.done)
        status = TrialStatus.STOPPED if point is None else TrialStatus.RUNNING
        return {"status": status, "values": point}


class Searcher(BaseTuner):
    """Runs trials one after the other.

    Args:
        oracle: Proposes points.
        run: Runs one trial, and never raises.
        folder: For KerasTuner's own files.
    """

    def __init__(self, oracle: Oracle, run: Callable[[Point], Trial], folder: str) -> None:
        super().__init__(oracle=oracle, directory=folder, project_name="keras_tuner", overwrite=True)
        self._run = run

    def search(self) -> None:
        """Runs trials until the oracle has no more.

        KerasTuner's own loop would log a traceback for every model that is over a budget.
        """
        while (trial := self.oracle.create_trial(self.tuner_id)).status != TrialStatus.STOPPED:
            outcome = self.run_trial(trial)
            if outcome.status is Status.COMPLETED:
                self.oracle.update_trial(trial.trial_id, {self.oracle.objective.name: outcome.value})
                trial.status = TrialStatus.COMPLETED
            else:
                trial.status, trial.message = TrialStatus.FAILED, outcome.reason
            self.oracle.end_trial(trial)

    def run_trial(self, trial: TunerTrial) -> Trial:
        """One trial."""
        outcome = self._run(dict(trial.hyperparameters.values))
        self.oracle.done.append(outcome)
        _log.info("trial %d: %s", len(self.oracle.done), _line(outcome, self.oracle.objective.name))
        return outcome

    @property
    def best(self) -> Trial:
        """The best trial.

        Raises:
            CompressionError: None completed.
        """
        return best(self.oracle.done, self.oracle.settings, self.oracle.objective.name)

    def get_best_hyperparameters(self, num_trials: int = 1) -> list[keras_tuner.HyperParameters]:
        """The best point; KerasTuner would name a failed one when there is no other."""
        del num_trials
        found = self.oracle.get_space()
        found.values = self.best.hparams
        return [found]


def _declare(space: Space) -> keras_tuner.HyperParameters:
    declared = keras_tuner.HyperParameters()
    for name, values in space.values.items():
        if len(values) == 1:
            declared.Fixed(name, values[0])
        elif isinstance(values[0], bool):
            # A choice of truth values would become one of 0 and 1.
            declared.Boolean(name, default=values[0])
        else:
            declared.Choice(name, list(values))
    return declared


def _line(trial: Trial, metric: str) -> str:
    parts = [f"{describe(trial.hparams)}: {trial.status}"]
    parts += [f"{metric} {trial.value:.4f}"] if trial.value is not None else []
    parts += [f"{trial.size_bytes:,} bytes"] if trial.size_bytes is not None else []
    parts += [f"{trial.macs:,} MACs"] if trial.macs is not None else []
    return ", ".join([*parts, f"{trial.seconds:.1f} s"]) + (f"; {trial.reason}" if trial.reason else "")

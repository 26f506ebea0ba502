"""Search: TFX's Tuner with our `tuner_fn`, whose trials all stand beside its results."""

import json
from typing import Any

from tfx.components.tuner import executor
from tfx.components.tuner.component import Tuner
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.dsl.io import fileio
from tfx.proto import trainer_pb2
from tfx.types import BaseChannel
from tfx.types.artifact_utils import get_single_uri
from tfx.types.standard_artifacts import TunerResults

from components import search_tuner

TRIALS_FILE = "trials.json"


class _Executor(executor.Executor):
    """The stock executor, but for the list of trials: TFX's leaves out those that did not complete."""

    def Do(self, input_dict: dict, output_dict: dict, exec_properties: dict[str, Any]) -> None:  # noqa: N802 - TFX's name
        tuner = executor.search(input_dict, exec_properties, self._get_tmp_dir())
        executor.write_best_hyperparameters(tuner, output_dict)
        found = {"trials": [trial.to_dict() for trial in tuner.oracle.done], "best": tuner.best.hparams}
        with fileio.open(f"{get_single_uri(output_dict['tuner_results'])}/{TRIALS_FILE}", "w") as stream:
            stream.write(json.dumps(found, allow_nan=False))


class Search(Tuner):
    """Searches for hyper-parameters; its output `best_hyperparameters` is for the Trainer.

    Args:
        examples: Transformed examples; `train` is fitted, `validation` judges.
        transform_graph: Of those examples.
        search: A `SearchSettings` as plain values.
        metric: What to judge by.
        trials_uri: Folder that keeps the trials for a search that is resumed, or changed.
        recipe: `module`, `hparams`, `train`, `task`, `label` and `seed`, as `components.train.run_fn` reads them.
        code_sha256: Makes a change of code known to the cache, and to the trials.
    """

    EXECUTOR_SPEC = ExecutorClassSpec(_Executor)

    def __init__(
        self,
        *,
        examples: BaseChannel,
        transform_graph: BaseChannel,
        search: dict[str, Any],
        metric: str,
        trials_uri: str,
        recipe: dict[str, Any],
        code_sha256: str = "",
    ) -> None:
        own = {"search": search, "metric": metric, "trials_uri": trials_uri, "code_sha256": code_sha256}
        super().__init__(
            examples=examples,
            transform_graph=transform_graph,
            tuner_fn=f"{search_tuner.__name__}.tuner_fn",
            train_args=trainer_pb2.TrainArgs(splits=["train"]),
            eval_args=trainer_pb2.EvalArgs(splits=["validation"]),
            custom_config={**recipe, **own},
        )


def read_trials(results: TunerResults) -> dict[str, Any]:
    """`{trials: [..], best: {..}}` of a search: every trial, as `Trial.to_dict` gives it, and the best point."""
    with fileio.open(f"{results.uri}/{TRIALS_FILE}") as stream:
        return json.loads(stream.read())

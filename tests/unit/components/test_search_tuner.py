"""The search in KerasTuner's hands: what TFX writes of it, and what is left when trials fail."""

import json
from pathlib import Path

import keras_tuner
import pytest
from tfx.components.tuner.executor import write_best_hyperparameters
from tfx.types.standard_artifacts import HyperParameters, TunerResults

from components.hyperparameters import found_hparams, read_hparams
from components.search_tuner import Oracle, Searcher
from compression.errors import CompressionError
from compression.search.space import Space
from compression.search.trial import Status, Trial
from compression.settings import SearchSettings

SPACE = Space({"width": (4, 2, 8), "biased": (True, False), "only": ("a",)})


def trial(point, status=Status.COMPLETED):
    """A model whose quality is its width."""
    value = point["width"] / 10 if status is Status.COMPLETED else None
    return Trial(point, status, value=value, size_bytes=100 * point["width"], reason=None if value else "because")


@pytest.fixture
def search(tmp_path):
    """`search(run)`: a finished search over `SPACE`, the artifact of the best point, and TFX's list of results."""

    def made(run, metric="accuracy", **settings):
        oracle = Oracle(SPACE, SearchSettings(**settings), metric=metric, seed=0)
        tuner = Searcher(oracle, run, str(tmp_path / "tuner"))
        tuner.search()
        artifacts = {"best_hyperparameters": [HyperParameters()], "tuner_results": [TunerResults()]}
        for name, (artifact,) in artifacts.items():
            artifact.uri = str(tmp_path / name)
        write_best_hyperparameters(tuner, artifacts)
        (results,) = (tmp_path / "tuner_results").iterdir()
        return tuner, artifacts["best_hyperparameters"][0], json.loads(results.read_text())

    return made


def test_what_tfx_writes_leads_to_the_best_point(search):
    def run(point):
        return trial(point, Status.OVER_BUDGET if point["width"] == 8 else Status.COMPLETED)

    tuner, best, results = search(run)
    assert len(tuner.oracle.done) == 6
    assert read_hparams(best) == {"width": 4, "biased": True, "only": "a"}
    (written,) = Path(best.uri).iterdir()
    assert keras_tuner.HyperParameters.from_config(json.loads(written.read_text())).get("biased") is True
    assert [(row["width"], row["score"]) for row in results] == [(4, 0.4), (4, 0.4), (2, 0.2), (2, 0.2)]


def test_lower_is_better_where_it_is(search):
    _, best, results = search(trial, metric="rmse")
    assert read_hparams(best)["width"] == 2
    assert results[0]["score"] == 0.2


def test_failed_trials_in_a_row_do_not_end_the_search(search):
    def run(point):
        return trial(point, Status.COMPLETED if point["width"] == 2 and not point["biased"] else Status.FAILED)

    tuner, best, results = search(run, algorithm="grid")
    assert [done.status for done in tuner.oracle.done].count(Status.FAILED) == 5
    assert read_hparams(best) == {"width": 2, "biased": False, "only": "a"}
    assert len(results) == 1
    assert {ended.message for ended in tuner.oracle.trials.values()} == {None, "because"}


def test_a_search_in_which_no_trial_completed_is_an_error(search):
    with pytest.raises(CompressionError, match="at least one trial, got 6 that failed and 0 over a budget; width 4, "):
        search(lambda point: trial(point, Status.FAILED))


def test_no_tuner_no_hyperparameters():
    assert read_hparams(None) == found_hparams(None) == {}

"""TFMA's validation and our verdict are two readings of the same numbers."""

import apache_beam as beam
import numpy as np
import pytest
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis import constants
from tensorflow_model_analysis.evaluators import metrics_plots_and_validations_evaluator as stock

from components.evaluate import tfma_results
from components.evaluate.measures import measure
from components.evaluate.spec import GateSpec, Rule, SliceRule
from components.evaluate.tally import Tally
from components.evaluate.verdict import judge
from compression.statistics.paired import PairedCounts

SPEC = GateSpec(
    task="multiclass",
    label="y",
    rules=(Rule(metric="accuracy", max_drop=0.03, min_value=0.8), Rule(metric="accuracy", max_drop_percent=5.0)),
    min_examples=20,
    slices=(SliceRule(features=("g",), rules=(Rule(metric="accuracy", max_drop=0.2),), min_examples=5),),
)


def random_tally(random, largest):
    n = int(random.integers(1, largest))
    b, c = (int(value) for value in random.binomial(n // 2, random.random(2) * 0.06))
    both = int((n - b - c) * random.uniform(0.8, 1))
    invalid = np.array([0, random.random() < 0.1], np.int64)
    return Tally(n, invalid, PairedCounts(n, both, b, c, int(invalid.sum())))


@pytest.mark.parametrize("seed", range(25))
def test_verdict_and_validation_agree(seed, tmp_path):
    random = np.random.default_rng(seed)
    tallies = {(): random_tally(random, 6000), (("g", "a"),): random_tally(random, 400)}
    if seed % 5:
        tallies[("g", 3),] = random_tally(random, 400)
    results = [(key, measure(SPEC.all_metrics, tally, SPEC.level)) for key, tally in tallies.items()]
    tfma_results.write(results, str(tmp_path), SPEC, {"candidate": "c", "baseline": "b"})
    read = tfma_results.read(str(tmp_path))
    assert set(read) == set(tallies)
    verdict = judge(SPEC, read)
    assert (verdict.state == "passed") == tfma.load_validation_result(str(tmp_path)).validation_ok


def test_both_states_occur():
    """Else the test above would prove nothing."""
    states = set()
    for seed in range(25):
        tally = random_tally(np.random.default_rng(seed), 6000)
        measured = measure(SPEC.all_metrics, tally, SPEC.level)
        states.add(judge(GateSpec(task="multiclass", label="y", rules=SPEC.rules), {(): vars(measured)}).state)
    assert states == {"passed", "blocked", "not_enough_data"}


def test_tfmas_own_evaluator_runs_our_metric(tmp_path):
    """The same combiner under TFMA's machinery gives the same numbers."""
    random = np.random.default_rng(0)
    parts = [random_tally(random, 500) for _ in range(6)]
    extracts = [
        {"tally": part, constants.SLICE_KEY_TYPES_KEY: [key]}
        for number, part in enumerate(parts)
        for key in ((), (("g", number % 2),))
    ]
    with beam.Pipeline("FnApiRunner") as pipeline:
        evaluation = (
            pipeline
            | beam.Create(extracts)
            | stock.MetricsPlotsAndValidationsEvaluator(tfma_results.eval_config(SPEC)).ptransform
        )
        _ = evaluation["metrics"] | beam.combiners.ToList() | beam.Map(_check, parts=parts)


def _check(metrics, parts):
    by_slice = {
        key: {(k.model_name, k.name): value for k, value in values.items() if not k.is_diff} for key, values in metrics
    }
    merge = tfma_results.MeasureTallies(SPEC).merge_accumulators
    for key, own in ((), parts), ((("g", 0),), parts[::2]), ((("g", 1),), parts[1::2]):
        expected = measure(SPEC.all_metrics, merge(own), SPEC.level)
        for model in ("candidate", "baseline"):
            for name, value in getattr(expected, model).items():
                assert by_slice[key][model, name] == pytest.approx(value), (key, name)

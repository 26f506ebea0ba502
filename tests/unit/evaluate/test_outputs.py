"""The gate of models with several outputs: each is judged by its own label and rules, and all rules must hold."""

import numpy as np
import pytest
import tensorflow_model_analysis as tfma

from components.errors import InputError
from components.evaluate import tfma_results
from components.evaluate.gate import read_flips
from components.evaluate.measures import measure
from components.evaluate.spec import GateSpec, Rule, SliceRule
from components.evaluate.tally import Tally
from components.evaluate.verdict import judge
from compression.statistics.paired import PairedCounts

pytestmark = pytest.mark.methods

DIGIT = Rule(metric="digit/accuracy", max_drop=0.05)
PARITY = Rule(metric="parity/recall", max_drop=0.05)
SPEC = GateSpec(
    task={"digit": "multiclass", "parity": "binary"}, label={"digit": "label", "parity": "odd"}, rules=(DIGIT, PARITY)
)
SIZE = 2000
BASELINE = {"digit": "baseline_digit", "parity": "baseline_parity"}
CANDIDATE = {"digit": "candidate_digit", "parity": "candidate_parity"}


def columns(one_hot, *, wrong_digits=0, wrong_odds=0):
    """Four digits and whether they are odd; the candidate gets some wrong that the baseline has right."""
    label = np.random.default_rng(3).integers(0, 4, SIZE)
    odd = label % 2
    digits, odds = label.copy(), np.where(odd == 1, 0.9, 0.1).astype(np.float32)
    baseline_odds = odds.copy()
    digits[:wrong_digits] = (label[:wrong_digits] + 2) % 4
    odds[np.flatnonzero(odd == 1)[:wrong_odds]] = 0.2
    return {
        "label": label,
        "odd": odd,
        "half": np.array(["a", "b"])[np.arange(SIZE) % 2],
        "baseline_digit": one_hot(label, 4),
        "baseline_parity": baseline_odds.reshape(-1, 1),
        "candidate_digit": one_hot(digits, 4),
        "candidate_parity": odds.reshape(-1, 1),
    }


@pytest.mark.parametrize(
    ("wrong", "states", "reason"),
    [
        ({}, ("passed", "passed"), None),
        ({"wrong_digits": 300}, ("blocked", "passed"), "accuracy of digit may drop by at most 0.05; it drops by 0.15"),
        ({"wrong_odds": 150}, ("passed", "blocked"), "recall of parity may drop by at most 0.05; it drops by 0.15"),
    ],
)
def test_every_output_is_judged_and_all_must_pass(bench, one_hot, wrong, states, reason):
    gate = bench(columns(one_hot, **wrong), shards=2)
    verdict = gate.gate(SPEC, gate.answers(BASELINE), CANDIDATE)
    assert tuple(check.state for check in verdict.checks) == states
    assert [check.metric for check in verdict.checks] == ["digit/accuracy", "parity/recall"]
    passed = "blocked" not in states
    assert (verdict.state, gate.blessed) == (("passed", 1) if passed else ("blocked", 0))
    assert [text[: len(reason)] for text in verdict.reasons] == ([reason] if reason else [])
    assert tfma.load_validation_result(gate.evaluation.uri).validation_ok == passed


def test_each_output_gets_the_numbers_that_a_gate_of_its_own_would_give(bench, one_hot):
    gate = bench(columns(one_hot, wrong_digits=40, wrong_odds=30))
    slices = (SliceRule(features=("half",), rules=(Rule(metric="parity/recall", max_drop=0.5),)),)
    spec = SPEC.model_copy(update={"slices": slices, "flips_kept": 35})
    verdict = gate.gate(spec, gate.answers(BASELINE), CANDIDATE)
    flips = read_flips(gate.evaluation.uri)
    assert [flip["output"] for flip in flips] == ["digit"] * 35 + ["parity"] * 30
    assert (len(flips[0]["candidate"]), len(flips[-1]["candidate"]), flips[-1]["label"]) == (4, 1, 1)
    for output, part in spec.parts().items():
        single = gate.gate(part, gate.answers(BASELINE[output]), CANDIDATE[output])
        for mine, own in zip(verdict.slices, single.slices, strict=True):
            assert (mine.slice, mine.examples) == (own.slice, own.examples)
            for metric, numbers in own.metrics.items():
                assert mine.metrics[f"{output}/{metric}"] == numbers
        for model in ("baseline", "candidate"):
            assert verdict.confusion[f"{output}/{model}"] == single.confusion[model]
        own_checks = [check for check in verdict.checks if check.metric.startswith(output)]
        assert [(c.slice, c.rule, c.value, c.lower, c.upper) for c in own_checks] == [
            (c.slice, c.rule, c.value, c.lower, c.upper) for c in single.checks
        ]
    assert [part.state for part in verdict.slices] == ["passed", "passed", "passed"]


def test_tfma_finds_metrics_by_output(bench, one_hot):
    gate = bench(columns(one_hot, wrong_digits=40, wrong_odds=60))
    gate.gate(SPEC, gate.answers(BASELINE), CANDIDATE)
    result = tfma.load_eval_result(gate.evaluation.uri, model_name="candidate")
    assert result.get_metrics_for_slice(output_name="digit")["accuracy"]["doubleValue"] == pytest.approx(1960 / SIZE)
    odd = int(np.sum(gate.columns["odd"]))
    recall = result.get_metrics_for_slice(output_name="parity")["recall"]["doubleValue"]
    assert recall == pytest.approx((odd - 60) / odd)
    assert "recall" not in result.get_metrics_for_slice(output_name="digit")
    assert dict(result.config.model_specs[0].label_keys) == {"digit": "label", "parity": "odd"}


@pytest.mark.parametrize(
    ("baseline", "candidate", "message"),
    [
        (BASELINE, "candidate_digit", "the candidate must have the outputs digit, parity, got one output"),
        (
            BASELINE,
            {"digit": "candidate_digit", "odd": "candidate_parity"},
            "the outputs digit, parity, got digit, odd",
        ),
        ("baseline_digit", CANDIDATE, "the baseline must have the outputs digit, parity, got one output"),
    ],
)
def test_models_without_these_outputs_are_refused(bench, one_hot, baseline, candidate, message):
    gate = bench(columns(one_hot))
    with pytest.raises(InputError, match=message):
        gate.gate(SPEC, gate.answers(baseline), candidate)


def test_a_gate_of_one_output_is_not_given_two(bench, one_hot):
    gate = bench(columns(one_hot))
    spec = GateSpec(task="multiclass", label="label", rules=(Rule(metric="accuracy", max_drop=0.05),))
    with pytest.raises(InputError, match="the candidate must have one output, got digit, parity; tell the gate label"):
        gate.gate(spec, gate.answers(BASELINE), CANDIDATE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rules": (Rule(metric="accuracy", max_drop=0.1),)}, "got 'accuracy'"),
        ({"rules": (Rule(metric="digit/recall", max_drop=0.1),)}, "got 'digit/recall'"),
        ({"label": {"digit": "label", "odd": "odd"}}, "task and label must be of the same outputs"),
        ({"label": "label"}, "task and label must be of the same outputs"),
    ],
)
def test_rules_of_other_outputs_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        GateSpec(**{**{name: getattr(SPEC, name) for name in ("task", "label", "rules")}, **changes})


def random_tally(random, largest):
    n = int(random.integers(1, largest))
    b, c = (int(value) for value in random.binomial(n // 2, random.random(2) * 0.3))
    return Tally(n, np.zeros(2, np.int64), PairedCounts(n, int((n - b - c) * 0.9), b, c))


def test_verdict_and_validation_agree(tmp_path):
    """Over random counts; every state of every output occurs."""
    rules = (Rule(metric="digit/accuracy", max_drop=0.03), Rule(metric="parity/accuracy", max_drop=0.03, min_value=0.7))
    spec = SPEC.model_copy(update={"rules": rules, "min_examples": 20})
    seen = set()
    for seed in range(20):
        random = np.random.default_rng(seed)
        size = 6000 if seed % 4 else 40
        parts = {
            output: measure(("accuracy",), random_tally(random, size), spec.level).of_output(output)
            for output in spec.parts()
        }
        folder = str(tmp_path / str(seed))
        tfma_results.write([((), parts["digit"] | parts["parity"])], folder, spec, {"candidate": "c", "baseline": "b"})
        verdict = judge(spec, tfma_results.read(folder))
        assert (verdict.state == "passed") == tfma.load_validation_result(folder).validation_ok
        seen |= {(check.metric, check.state) for check in verdict.checks}
    assert {state for metric, state in seen if metric.startswith("digit")} >= {"passed", "blocked", "not_enough_data"}
    assert {state for metric, state in seen if metric.startswith("parity")} >= {"passed", "blocked", "not_enough_data"}

"""The gate as a component: what it blesses, what it never blesses, what TFMA reads of it."""

import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow_model_analysis as tfma

from components.errors import InputError
from components.evaluate.gate import read_flips
from components.evaluate.spec import GateSpec, Rule, SliceRule

ACCURACY = GateSpec(task="multiclass", label="label", rules=(Rule(metric="accuracy", max_drop=0.03),))
CLASSES = 3


def data(one_hot, size=600, flipped=0, seed=7):
    """A baseline that is right 9 times of 10, and a candidate that differs from it in `flipped` right answers."""
    random = np.random.default_rng(seed)
    label = random.integers(0, CLASSES, size)
    baseline = np.where(random.random(size) < 0.9, label, (label + 1) % CLASSES)
    candidate = baseline.copy()
    worse = np.flatnonzero(baseline == label)[:flipped]
    candidate[worse] = (label[worse] + 1) % CLASSES
    return {
        "label": label,
        "baseline": one_hot(baseline, CLASSES),
        "candidate": one_hot(candidate, CLASSES),
        "group": np.array(["a", "b"])[label % 2],
        "tenth": np.arange(size) % 10,
    }


def test_equal_model_passes_and_tfma_reads_the_results(bench, one_hot):
    columns = data(one_hot)
    gate = bench(columns, shards=2)
    verdict = gate.gate(ACCURACY)
    assert (verdict.state, verdict.reasons, gate.blessed) == ("passed", [], 1)
    assert (Path(gate.blessing.uri) / "BLESSED").exists()
    assert gate.blessing.get_int_custom_property("current_model_id") == gate.model("candidate").id
    right = float(np.mean(columns["baseline"].argmax(axis=1) == columns["label"]))
    for model in ("candidate", "baseline"):
        result = tfma.load_eval_result(gate.evaluation.uri, model_name=model)
        stored = dict(result.get_metrics_for_slice())
        assert stored["accuracy"]["doubleValue"] == pytest.approx(right)
        assert stored["example_count"]["doubleValue"] == 600
    validation = tfma.load_validation_result(gate.evaluation.uri)
    assert validation.validation_ok


def test_shuffled_labels_on_three_percent_are_blocked(bench, one_hot):
    columns = data(one_hot, size=4000, flipped=4000 * 6 // 100)
    gate = bench(columns)
    verdict = gate.gate(ACCURACY)
    assert (verdict.state, gate.blessed) == ("blocked", 0)
    assert (Path(gate.blessing.uri) / "NOT_BLESSED").exists()
    assert not tfma.load_validation_result(gate.evaluation.uri).validation_ok
    assert "may drop by at most 0.03" in verdict.reasons[0]


@pytest.mark.parametrize("flipped", [0, 60, 110])
def test_verdict_is_monotone_in_max_drop(bench, one_hot, flipped):
    gate = bench(data(one_hot, size=2000, flipped=flipped), name=f"data{flipped}")
    answers = gate.answers()
    blessed = []
    for max_drop in (0.0, 0.01, 0.03, 0.06, 0.2):
        spec = ACCURACY.model_copy(update={"rules": (Rule(metric="accuracy", max_drop=max_drop),)})
        gate.gate(spec, answers)
        blessed.append(gate.blessed)
    assert blessed == sorted(blessed)
    assert blessed[-1] == 1


@pytest.mark.parametrize("column", ["baseline", "candidate"])
def test_a_prediction_that_is_not_a_number_blocks(bench, one_hot, column):
    columns = data(one_hot)
    columns[column][17] = math.nan
    gate = bench(columns)
    verdict = gate.gate(ACCURACY)
    assert (verdict.state, gate.blessed) == ("blocked", 0)
    assert "predictions must be finite, 1 are not" in verdict.reasons[0]


@pytest.mark.parametrize("shards", [0, 1])
def test_no_examples_bless_nothing(bench, one_hot, shards):
    columns = {name: values[:0] for name, values in data(one_hot).items()}
    gate = bench(columns, shards=shards)
    if not shards:
        with pytest.raises(InputError, match="the split must hold files of examples"):
            gate.gate(ACCURACY)
        return
    assert gate.gate(ACCURACY).state == "not_enough_data"
    assert gate.blessed == 0


def test_no_rule_blesses_nothing(bench, one_hot):
    gate = bench(data(one_hot))
    assert gate.gate(GateSpec(task="multiclass", label="label", rules=(), metrics=("accuracy",))).state == "blocked"
    assert gate.blessed == 0


def test_order_and_shards_do_not_show(bench, one_hot):
    columns = data(one_hot, flipped=30)
    order = np.random.default_rng(0).permutation(600)
    spec = ACCURACY.model_copy(update={"slices": (SliceRule(features=("group",)),)})
    one = bench(columns, name="one").gate(spec)
    other = bench({name: values[order] for name, values in columns.items()}, shards=5, name="other").gate(spec)
    assert other == one


def test_slices_have_rules_of_their_own(bench, one_hot):
    columns = data(one_hot, size=3000)
    worse = np.flatnonzero((columns["tenth"] == 3) & (columns["baseline"].argmax(axis=1) == columns["label"]))[:60]
    columns["candidate"][worse] = one_hot((columns["label"][worse] + 1) % CLASSES, CLASSES)
    by_tenth = SliceRule(features=("tenth",), rules=(Rule(metric="accuracy", max_drop=0.1),), min_examples=100)
    spec = ACCURACY.model_copy(update={"slices": (by_tenth, SliceRule(features=("group",)))})
    gate = bench(columns)
    verdict = gate.gate(spec)
    states = {part.slice: part.state for part in verdict.slices}
    assert states[""] == "passed"
    assert states["tenth=3"] == "blocked"
    assert {states[f"tenth={k}"] for k in (0, 1, 2, 4, 5, 6, 7, 8, 9)} == {"passed"}
    assert (states["group=a"], states["group=b"]) == (None, None)
    assert gate.blessed == 0
    assert verdict.reasons[0].startswith("slice tenth=3: accuracy may drop by at most 0.1")
    assert not tfma.load_validation_result(gate.evaluation.uri).validation_ok
    stored = dict(tfma.load_eval_result(gate.evaluation.uri, model_name="candidate").slicing_metrics)
    assert stored[(("tenth", 3),)][""][""]["example_count"]["doubleValue"] == 300


@pytest.mark.parametrize(
    ("slice_rule", "reason"),
    [
        ({"values": {"group": "z"}}, "slice group=z must hold at least 1 examples, got 0"),
        ({"features": ("tenth",), "min_examples": 61}, "slice tenth=0 must hold at least 61 examples, got 60"),
    ],
)
def test_a_slice_that_is_too_small_is_no_silent_pass(bench, one_hot, slice_rule, reason):
    rules = (Rule(metric="accuracy", max_drop=1.0),)
    gate = bench(data(one_hot))
    verdict = gate.gate(ACCURACY.model_copy(update={"slices": (SliceRule(rules=rules, **slice_rule),)}))
    assert (verdict.state, gate.blessed) == ("not_enough_data", 0)
    assert verdict.reasons[0].startswith(reason)


def test_a_column_that_is_not_there(bench, one_hot):
    gate = bench(data(one_hot))
    spec = ACCURACY.model_copy(update={"slices": (SliceRule(features=("region",)),)})
    with pytest.raises(Exception, match="the transformed examples must hold region"):
        gate.gate(spec)


def test_flips_name_the_examples(bench, one_hot):
    columns = data(one_hot, flipped=5)
    worse = np.flatnonzero(columns["candidate"].argmax(axis=1) != columns["baseline"].argmax(axis=1))
    columns["baseline"][worse[3]] *= 0.9
    gate = bench(columns, shards=2)
    gate.gate(ACCURACY.model_copy(update={"flips_kept": 4}))
    flips = read_flips(gate.evaluation.uri)
    assert len(flips) == 4
    assert [(flip["file"][:27], flip["row"]) for flip in flips] == [
        ("transformed_examples-00000-", row) for row in worse[[0, 1, 2, 4]]
    ]
    assert flips[0]["label"] == columns["label"][worse[0]]
    assert flips[0]["candidate"] == pytest.approx(columns["candidate"][worse[0]].tolist())
    assert len(flips[0]["sha256"]) == 64


def test_regression_lists_the_errors_that_grew_most(bench):
    random = np.random.default_rng(5)
    label = random.normal(size=400).astype(np.float32)
    baseline = (label + random.normal(0, 0.1, 400).astype(np.float32)).reshape(-1, 1)
    candidate = baseline.copy()
    candidate[7] += 5
    candidate[9] -= 3
    gate = bench({"label": label, "baseline": baseline, "candidate": candidate})
    spec = GateSpec(
        task="regression", label="label", rules=(Rule(metric="mae", max_drop_percent=90.0),), metrics=("rmse",)
    )
    verdict = gate.gate(spec)
    assert [flip["row"] for flip in read_flips(gate.evaluation.uri)] == [7, 9]
    (part,) = verdict.slices
    assert part.metrics["mae"]["drop"] == pytest.approx(8 / 400, rel=0.05)
    assert set(part.metrics) == {"mae", "rmse"}


def test_answers_to_other_examples_are_refused(bench, one_hot):
    columns = data(one_hot)
    answers = bench(columns, name="one").answers()
    with pytest.raises(Exception, match="has changed since; make the answers from the same examples"):
        bench({name: values[::-1] for name, values in columns.items()}, name="two").gate(ACCURACY, answers)
    with pytest.raises(InputError, match="must have answered the same files"):
        bench(columns, shards=2, name="three").gate(ACCURACY, answers)


def test_large_files_are_worked_on_in_parts(bench, one_hot, monkeypatch):
    from components.evaluate import answers as answers_module
    from components.evaluate import judge_rows

    columns = data(one_hot, flipped=30)
    whole = bench(columns, name="one").gate(ACCURACY)
    monkeypatch.setattr(answers_module, "CHUNK_ROWS", 100)
    gate = bench(columns, name="two")
    made = gate.answers()
    monkeypatch.setattr(judge_rows.plan_work, "__defaults__", (130,))
    assert gate.gate(ACCURACY, made) == whole
    monkeypatch.undo()
    with pytest.raises(InputError, match="answers must lie in chunks of 65536 rows, got 100"):
        gate.gate(ACCURACY, made)


def test_several_rules_must_all_hold(bench):
    """A candidate that calls less often: as many right answers as before, but fewer of label 1 are found."""
    label = np.arange(3000) % 3 // 2
    baseline = np.where(label == 1, 0.9, 0.1).astype(np.float32).reshape(-1, 1)
    candidate = baseline.copy()
    candidate[np.flatnonzero(label == 1)[:120]] = 0.2
    gate = bench({"label": label, "baseline": baseline, "candidate": candidate})
    rules = (Rule(metric="accuracy", max_drop=0.06), Rule(metric="recall", max_drop=0.05))
    verdict = gate.gate(GateSpec(task="binary", label="label", rules=rules))
    assert [(check.metric, check.state) for check in verdict.checks] == [("accuracy", "passed"), ("recall", "blocked")]
    assert verdict.slices[0].metrics["recall"]["drop"] == pytest.approx(0.12)
    assert verdict.reasons == [verdict.checks[1].reason]
    assert verdict.reasons[0].startswith("recall may drop by at most 0.05; it drops by 0.12")
    assert (verdict.state, gate.blessed) == ("blocked", 0)
    assert not tfma.load_validation_result(gate.evaluation.uri).validation_ok

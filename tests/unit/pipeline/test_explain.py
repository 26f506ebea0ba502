"""`explain`: every rule on the summary of a real run, changed in the facts that the rule reads."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest

from pipeline import cli
from report import advice

REPOSITORY = Path(__file__).parents[3]
SCHEMA = json.loads((REPOSITORY / "pipeline" / "summary_schema.json").read_text())
# What `run` wrote for two variants: float16 passed, pruned_int8 could not be decided.
REAL = (Path(__file__).parent / "summaries" / "small.json").read_text()


class Run:
    """The summary, to be changed, and what the rules make of it."""

    def __init__(self):
        self.summary = json.loads(REAL)
        self.float16, self.pruned = self.summary["variants"]

    def rules(self, variant):
        jsonschema.validate(self.summary, SCHEMA)
        return {found.rule: found for found in advice.advise(self.summary, variant)}

    def blocked(self, variant, *reasons):
        variant.update(status="blocked", reasons=list(reasons))
        for gate in variant["gates"]:
            gate.update(state="passed", passed=True, needed_examples=None)

    def dropped(self, variant, drop=0.1125):
        self.blocked(variant, "accuracy may drop by at most 0.1")
        variant.update(drop=drop)
        variant["gates"][0].update(state="blocked", passed=False)


@pytest.fixture
def run():
    return Run()


def test_the_chosen_one_needs_no_advice(run):
    assert run.rules(run.float16) == {}


def test_more_examples(run):
    assert "more alike would not help" in run.rules(run.pruned)["more_examples"].because
    run.pruned["gates"][0]["needed_examples"] = 2400
    found = run.rules(run.pruned)["more_examples"]
    assert "about 2,400 examples" in found.because
    assert "holds 578" in found.because
    run.blocked(run.pruned)
    assert "more_examples" not in run.rules(run.pruned)


def test_the_drop_is_that_of_quantization_when_the_same_steps_pass_in_float(run):
    run.dropped(run.pruned)
    assert set(run.rules(run.pruned)) == {"unknown_drop"}, "nothing with these steps stays in float"
    beside = copy.deepcopy(run.float16) | {"name": "pruned", "steps": ["prune 50%", "quantize float16"], "drop": 0.003}
    run.summary["variants"].append(beside)
    found = run.rules(run.pruned)
    assert set(found) == {"quantization_drop"}
    assert "0.1125" in found["quantization_drop"].because
    assert "pruned drops 0.0030" in found["quantization_drop"].because
    assert "not measured" in found["quantization_drop"].because
    run.dropped(beside, 0.2)
    found = run.rules(run.pruned)
    assert set(found) == {"step_drop"}
    assert "0.2000 in float" in found["step_drop"].because


def layer(name, output, before, kernel="kernel"):
    return {"kernels": [f"{name}/{kernel}"], "error": {"weights": 0.004, "output": output, "before": before}}


def test_the_layer_that_the_drop_comes_from_is_named(run):
    run.dropped(run.pruned)
    run.pruned["steps"] = ["quantize int8"]
    rows = [layer("conv_1", 0.005, 0.0), layer("conv_2", 0.4, 0.005), layer("digit", 0.41, 0.4)]

    def found(rows):
        details = {"layers": {run.pruned["name"]: rows}}
        return {one.rule: one for one in advice.advise(run.summary, run.pruned, details)}["quantization_drop"]

    named = found(rows)
    assert "at layer conv_2: 40.0% of its output, 0.5% of what it reads" in named.because
    assert "layers: {conv_2: float32}" in named.yaml
    # All add alike: none of them is the cause alone.
    assert "No layer stands out" in found([layer("a", 0.3, 0.0), layer("b", 0.4, 0.3), layer("c", 0.5, 0.4)]).because
    # Errors that every sound file has are no cause.
    assert "No layer stands out" in found([layer("a", 0.01, 0.0)]).because
    assert "was not measured" in found([layer("a", None, None)]).because
    assert "was not measured" in found([]).because


def test_after_qat_no_qat_is_advised(run):
    run.dropped(run.pruned)
    run.pruned["steps"] = ["quantize int8"]
    assert set(run.rules(run.pruned)) == {"quantization_drop"}
    run.pruned["steps"] = ["qat", "quantize int8"]
    assert set(run.rules(run.pruned)) == {"unknown_drop"}


def test_champion(run):
    run.blocked(run.pruned, "accuracy may drop by at most 0.01 against the champion, version 3")
    run.pruned["drop_vs_champion"] = 0.04
    assert "champion_drop" not in run.rules(run.pruned), "there is none"
    run.summary["champion"] = {"version": 3, "metric": "accuracy", "value": 0.9}
    assert "0.0400 worse than version 3" in run.rules(run.pruned)["champion_drop"].because


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("layer conv: promised at least 80 of 100 zeros, the file holds 70", "end pruning earlier"),
        ("elu: promised integers alone, the file computes ELU in float", "no integer kernel"),
        ("promised int8 inputs, the file has float32", "docs/audit.md"),
    ],
)
def test_broken_promises(run, broken, words):
    run.blocked(run.pruned, broken)
    assert "broken_promise" not in run.rules(run.pruned)
    run.pruned["audit"]["promises"]["broken"] = [broken]
    assert words in run.rules(run.pruned)["broken_promise"].advice


def test_operators(run):
    run.blocked(run.pruned, "every operator must be one of profile mcu, got ELU; replace those layers")
    run.pruned["audit"]["float_operators"] = ["ELU: elu_1"]
    found = run.rules(run.pruned)
    assert "ELU: elu_1" in found["float_operators"].because
    assert "profile mcu, got ELU" in found["unsupported_operators"].because
    run.pruned["audit"] |= {"raw_inputs": {}, "float_operators": ["LOG: transform/Log", "ELU: elu_1"]}
    assert run.rules(run.pruned)["float_operators"].because.endswith("file: ELU: elu_1")
    run.pruned["audit"]["float_operators"] = ["LOG: transform/Log"]
    assert "float_operators" not in run.rules(run.pruned), "the transform stays in float by intent"
    run.blocked(run.float16)
    run.float16["audit"]["float_operators"] = ["CONV_2D: conv_1"]
    assert run.rules(run.float16) == {}, "a float file computes in float"


def test_latency(run):
    slow = "9 of 10 invocations must take at most 1 ms for one example, got 2 ms"
    run.blocked(run.pruned, slow)
    assert "prune_channels" in run.rules(run.pruned)["over_latency"].yaml
    run.blocked(run.float16, slow)
    assert "2.3 times" in run.rules(run.float16)["over_latency"].advice
    run.float16["steps"] = ["quantize dynamic"]
    run.float16["audit"]["operators"]["DEPTHWISE_CONV_2D"] = 2
    found = run.rules(run.float16)["over_latency"]
    assert "2 depthwise convolutions" in found.because
    assert "mode: int8" in found.yaml


def test_size(run):
    run.blocked(run.pruned, "the file must have at most 2,000 bytes after gzip, got 2,745")
    assert "cluster" in run.rules(run.pruned)["over_size"].yaml
    run.pruned["steps"] = ["prune 90%", "cluster 16", "qat", "quantize int8"]
    assert "over_size" not in run.rules(run.pruned), "all of it is there already"
    run.blocked(run.pruned, "the file must have at most 2,000 bytes, got 6,144")
    assert "prune_channels" in run.rules(run.pruned)["over_size"].yaml


def test_passed_but_not_chosen(run):
    run.blocked(run.pruned)
    run.pruned.update(status="passed", gzip_bytes=4000)
    found = run.rules(run.pruned)["not_chosen"]
    assert "float16 was chosen" in found.because
    assert "gzip bytes 4,000 against 3,701" in found.because
    assert "drop +0.1125 against +0.0000" in found.because


def test_every_rule_is_tried_here():
    text = Path(__file__).read_text()
    assert [rule.__name__ for rule in advice.RULES if f'"{rule.__name__}"' not in text] == []


def test_measured_numbers_stand_where_the_rules_say():
    results = (REPOSITORY / "docs" / "compression-results.md").read_text()
    for number in ("**20.6**", "0.28", "**3.6**", "| 9.8 | 2.3 |"):
        assert number in results


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "runs" / "1").mkdir(parents=True)
    (tmp_path / "runs" / "1" / "summary.json").write_text(REAL)
    (tmp_path / "runs" / "2-goes-on").mkdir()
    return str(tmp_path)


def test_command(workspace, capsys):
    argv = ["explain", str(REPOSITORY / "configs" / "digits.yaml"), "pruned_int8", "--workspace", workspace]
    assert cli.main(argv) == 0
    out = capsys.readouterr().out
    assert "was held back: not enough data" in out
    assert "because  max_drop of accuracy is too close to tell" in out
    assert cli.main([*argv, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], told["selected"], told["advice"][0]["rule"]) == ("not_enough_data", False, "more_examples")


def test_command_refuses_what_is_not_there(workspace, capsys):
    argv = ["explain", str(REPOSITORY / "configs" / "digits.yaml")]
    assert cli.main([*argv, "pruned_int", "--workspace", workspace]) == 2
    assert "pruned_int8" in capsys.readouterr().err
    assert cli.main([*argv, "int8", "--workspace", workspace, "--run", "7"]) == 2
    assert "--run must name a finished run, got 7" in capsys.readouterr().err

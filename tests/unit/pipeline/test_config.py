"""Configurations that are right: what is read from them, and their fingerprint."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from compression.settings import (
    ClusterSettings,
    DistillSettings,
    PruneChannelsSettings,
    PruneSettings,
    QatSettings,
    QuantizeSettings,
)
from pipeline.config import SplitRange, Step, load
from pipeline.config.variants import settings_class
from pipeline.steps import STEPS

REPOSITORY = Path(__file__).parents[3]


def test_defaults(configs):
    text = "\n".join(line for line in configs.base.splitlines() if not line.startswith(("seed", "train", "sel", "run")))
    config = configs.load(text.replace("  splits: {train: 6, validation: 1, eval: 3}\n", ""))
    assert (config.seed, config.select, config.train.epochs) == (1, "smallest", 20)
    assert config.workspace == Path(".edge/digits")
    assert config.data.splits.ranges()["train"] == SplitRange(None, 0, 8, 10)


def test_overrides_win(configs):
    config = configs.load(configs.base, **{"runtime.workspace": "/tmp/w", "train.epochs": 2})
    assert config.workspace == Path("/tmp/w")
    assert config.train.epochs == 2


def test_ways_to_write_a_step(configs):
    text, _ = configs.changed(
        "int8: [quantize: {mode: int8}]", "a: [qat, quantize: {mode: int8}]\nb:\n- qat:\n- quantize: {mode: int8_io}"
    )
    variants = configs.load(text).variants
    assert variants["a"][0] == variants["b"][0] == Step("qat", QatSettings())
    assert variants["b"][1] == Step("quantize", QuantizeSettings(mode="int8_io"))


def test_every_step_kind_has_settings():
    assert {kind: settings_class(kind) for kind in STEPS} == {
        "distill": DistillSettings,
        "prune": PruneSettings,
        "prune_channels": PruneChannelsSettings,
        "cluster": ClusterSettings,
        "qat": QatSettings,
        "quantize": QuantizeSettings,
    }


def test_splits_that_share_a_source_share_its_buckets(configs):
    text, _ = configs.changed(
        "splits: {train: 6, validation: 1, eval: 3}",
        "splits: {train: {from: a, buckets: 11}, validation: {from: a, buckets: 1}, eval: test}",
    )
    assert configs.load(text).data.splits.ranges() == {
        "train": SplitRange("a", 0, 11, 12),
        "validation": SplitRange("a", 11, 1, 12),
        "eval": SplitRange("test", 0, 1, 1),
    }


def test_weights_share_everything(configs):
    ranges = configs.load(configs.base).data.splits.ranges()
    assert [(part.first, part.buckets, part.total) for part in ranges.values()] == [(0, 6, 10), (6, 1, 10), (7, 3, 10)]


def test_fingerprint_is_blind_to_runtime_and_spelling(configs):
    first = configs.load(configs.base).sha256
    assert configs.load(configs.base.replace("{workspace: .edge/digits}", "{workspace: other}")).sha256 == first
    assert configs.load(configs.base.replace("seed: 1", "seed: 0x1 # one")).sha256 == first
    assert configs.load(configs.base.replace("0.8", "0.7")).sha256 != first
    assert configs.load(configs.base.replace("0.03", "0.02")).sha256 != first


def test_it_cannot_be_changed(configs):
    config = configs.load(configs.base)
    with pytest.raises(ValidationError, match="frozen"):
        config.seed = 2


def test_lines_are_kept_for_later_messages(configs):
    config = configs.load(configs.base)
    assert config.where("gate", "max_drop") == f"{configs.path}:18: gate.max_drop"
    assert config.line("gate", "min_value") == 16  # not in the file: the line of its section


@pytest.mark.parametrize("name", sorted(path.name for path in (REPOSITORY / "configs").glob("*.yaml")))
def test_every_configuration_of_the_project_loads(name):
    config = load(REPOSITORY / "configs" / name)
    assert config.variants


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_label_names_fit_the_task(configs, task):
    metric = {"regression": "mae", "binary": "auc"}[task]
    text = configs.base.replace("multiclass", task).replace("accuracy", metric)
    configs.load(text)
    named = text.replace("  label: label\n", "  label: label\n  label_names: [a, b, c]\n")
    message = {
        "regression": "must be left out for the task regression; got names; remove label_names",
        "binary": "must hold two names for the task binary; got 3 names",
    }[task]
    assert configs.faults(named) == [f"7: data.label_names: {message}"]


def test_slices_and_budgets_as_they_are_written(configs):
    text, _ = configs.changed(
        "max_drop: 0.03", "max_drop: 0.03\nslices: [{by: [a, b], max_drop: 0.1}, {where: {c: x, d: 2, e: 0.5}}]"
    )
    config = configs.load(f"{text}edge: {{profile: mcu, max_arena_bytes: 20000}}\n")
    both, one = config.gate.rules[0].slices
    assert (both.by, both.where, both.given()) == (("a", "b"), {}, {"max_drop": 0.1})
    assert (one.by, one.where, one.given()) == ((), {"c": "x", "d": 2, "e": 0.5}, {})
    assert [type(value) for value in one.where.values()] == [str, int, float]
    assert (config.gate.confidence, both.min_examples) == (0.95, 1)
    assert (config.edge.profile, config.edge.threads, config.edge.max_arena_bytes) == ("mcu", 1, 20000)
    plain = configs.load(configs.base)
    assert (plain.gate.rules[0].slices, plain.edge.profile, plain.select) == ((), "cpu", "smallest")
